// The one copy of the code of Boost.Asio, its TLS streams and Boost.Beast: the project uses Boost
// by its headers only, and everything else that includes them compiles without their bodies.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
