// What a service manager is told, and when it wants a sign of life.
#include "controller/service_manager.hpp"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <string>

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/support/http.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;

namespace {

/// As systemd listens.
class Manager {
  public:
    explicit Manager(const std::string& name)
        : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        name.copy(address.sun_path, name.size());
        if (name.front() == '@') address.sun_path[0] = '\0';
        REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address),
                       static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0);
    }
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;
    ~Manager() { ::close(fd_); }
    std::string heard() const {
        std::array<char, 1024> text{};
        const auto size = ::recv(fd_, text.data(), text.size(), 0);
        return size < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(size));
    }

  private:
    int fd_;
};

/// An environment variable for the time being.
class Variable {
  public:
    Variable(const char* name, const std::string& value) : name_(name) {
        ::setenv(name, value.c_str(), 1);
    }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    ~Variable() { ::unsetenv(name_); }

  private:
    const char* name_;
};

}  // namespace

TEST_CASE("service manager: it is told by datagrams, at a path or an abstract name") {
    const TemporaryDirectory directory;
    for (const std::string& name :
         {directory.path() + "/notify", "@podfence-test-" + std::to_string(::getpid())}) {
        const Manager manager(name);
        const Variable variable("NOTIFY_SOCKET", name);
        const auto service = ServiceManager::from_environment();
        CHECK(service.present());
        service.tell("READY=1\nSTATUS=fine");
        CHECK(manager.heard() == "READY=1\nSTATUS=fine");
        service.tell_status("two\nlines: \x1b[2J");
        CHECK(manager.heard() == "STATUS=two lines:  [2J");
    }
}

TEST_CASE("service manager: none, or one that does not listen, costs nothing") {
    CHECK_FALSE(ServiceManager::from_environment().present());
    ServiceManager().tell("READY=1");
    ServiceManager("/nowhere/notify").tell("READY=1");
    ServiceManager(std::string(500, 'x')).tell("READY=1");
    const TemporaryDirectory directory;
    const Manager full(directory.path() + "/notify");
    const ServiceManager service(directory.path() + "/notify");
    for (int i = 0; i < 10'000; ++i) service.tell("WATCHDOG=1");  // Never blocks.
    CHECK(full.heard() == "WATCHDOG=1");
}

TEST_CASE("service manager: a sign of life is wanted by who it says") {
    const auto wanted = [](const std::string& period, const std::string& whose) {
        const Variable first("WATCHDOG_USEC", period);
        const Variable second("WATCHDOG_PID", whose);
        return ServiceManager::from_environment().watchdog();
    };
    CHECK(wanted("30000000", std::to_string(::getpid())) == 30s);
    CHECK(wanted("30000000", "") == 30s);
    CHECK_FALSE(wanted("30000000", "1"));
    CHECK_FALSE(wanted("0", ""));
    CHECK_FALSE(wanted("soon", ""));
    CHECK_FALSE(ServiceManager::from_environment().watchdog());
}
