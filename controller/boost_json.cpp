// The one copy of Boost.JSON's code: the project uses Boost by its headers only.
#include <boost/json/src.hpp>
