#pragma once

// Debian's CLI11 is cut into headers; an App needs the last two for its vtables.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
