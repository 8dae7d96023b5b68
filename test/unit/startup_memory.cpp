#include "controller/startup_memory.hpp"

#include <fstream>
#include <memory>
#include <string>

#include <catch2/catch.hpp>

using namespace podfence;

namespace {

/// Resident pages of files, in kB.
std::size_t file_pages_kb() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("RssFile:")) return std::stoul(line.substr(line.find(':') + 1));
    }
    FAIL("/proc/self/status has no RssFile");
    return 0;
}

/// Of a class with virtual functions, whose table the loader relocates and then protects.
struct Number {
    Number() = default;
    Number(const Number&) = delete;
    Number& operator=(const Number&) = delete;
    virtual ~Number() = default;
    virtual int value() const { return 1; }
};
struct Other final : Number {
    int value() const override { return 2; }
};

}  // namespace

TEST_CASE("startup memory: the files' pages go, what the loader made of them stays") {
    // The smallest that the compiler cannot see through.
    volatile bool other = true;
    const std::unique_ptr<Number> number =
        other ? std::make_unique<Other>() : std::make_unique<Number>();
    const std::size_t before = file_pages_kb();
    let_go_of_startup_pages();
    const std::size_t after = file_pages_kb();
    CHECK(number->value() == 2);
    // What runs here needs some at once.
    CHECK(after < before / 2);
    // And again, of what came back.
    let_go_of_startup_pages();
    CHECK(number->value() == 2);
}
