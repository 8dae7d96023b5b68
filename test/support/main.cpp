// The one main() of every Catch2 program: compiled once, it is the slowest part of Catch2.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
