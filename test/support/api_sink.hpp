#pragma once

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "controller/source.hpp"

namespace podfence::test {

/// Keeps what a source tells, in words and as a state, and counts what it must never do: tell what
/// is known already, or remove what is not there.
class RecordingSink : public Sink {
  public:
    void put(Object object, std::vector<Problem> problems) override {
        const Kind kind = kind_of(object);
        const ObjectName name = name_of(object);
        log.push_back("put " + text(kind, name));
        const auto found = objects[index_of(kind)].find(name);
        const bool same = found != objects[index_of(kind)].end() && found->second == object &&
                          object_problems[text(kind, name)] == problems;
        if (same) ++redundant;
        object_problems[text(kind, name)] = std::move(problems);
        objects[index_of(kind)].insert_or_assign(name, std::move(object));
    }
    void remove(Kind kind, const ObjectName& name) override {
        log.push_back("remove " + text(kind, name));
        if (objects[index_of(kind)].erase(name) == 0) ++redundant;
        object_problems.erase(text(kind, name));
    }
    void listed(Kind kind) override { log.push_back("listed " + std::string(to_string(kind))); }
    void trouble(Kind kind, const Trouble& trouble) override {
        log.push_back("trouble " + std::string(to_string(kind)) + " " +
                      std::string(to_string(trouble.cause)));
        if (troubles.contains(kind) && troubles[kind] == trouble) ++redundant;
        troubles[kind] = trouble;
    }
    void recovered(Kind kind) override {
        log.push_back("recovered " + std::string(to_string(kind)));
        if (troubles.erase(kind) == 0) ++redundant;
    }
    void problems(std::vector<Problem> all) override {
        log.push_back("problems " + std::to_string(all.size()));
        input_problems = std::move(all);
    }

    /// What was told since the last time, "put Pod a/b; listed Pod".
    std::string take() {
        std::string out;
        for (const std::string& line : std::exchange(log, {})) {
            out += out.empty() ? line : "; " + line;
        }
        return out;
    }
    const auto& of(Kind kind) const { return objects[index_of(kind)]; }
    template <class T>
    const T& get(Kind kind, const ObjectName& name) const {
        return std::get<T>(objects[index_of(kind)].at(name));
    }

    static std::string text(Kind kind, const ObjectName& name) {
        return std::string(to_string(kind)) + ' ' + (name.ns.empty() ? name.name : to_string(name));
    }

    std::vector<std::string> log{};
    std::array<std::map<ObjectName, Object>, kKinds.size()> objects{};
    std::map<std::string, std::vector<Problem>> object_problems{};
    std::map<Kind, Trouble> troubles{};
    std::vector<Problem> input_problems{};
    int redundant = 0;
};

}  // namespace podfence::test
