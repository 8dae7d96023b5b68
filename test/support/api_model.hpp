#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace podfence::test {

/// Texts as an API server writes them. Pods are "shop/NAME"; `label` stands for all of their state.
std::string api_pod(const std::string& name, int version, const std::string& label = "");
std::string api_event(const std::string& type, const std::string& object);
std::string api_bookmark(int version, bool end_of_initial_events = false);
/// A Status; `more` is put behind its members.
std::string api_status(int code, const std::string& reason, const std::string& more = "");
std::string api_pod_list(int version, const std::vector<std::string>& items,
                         const std::string& next = "");

/// An API server that holds pods, as far as lists and watches of them go: versions, history and its
/// compaction, pages of a snapshot.
class ApiModel {
  public:
    struct Answer {
        unsigned code = 200;
        std::string body{};
    };

    void put(const std::string& name, const std::string& label);
    void remove(const std::string& name);
    /// Forgets how the present state came about.
    void compact();
    /// Of a watch: what there is to say until now.
    Answer answer(const std::string& target) const;
    /// What a watch that has said everything up to `version` says next.
    std::string events_since(int version) const;
    int version() const { return version_; }
    const std::map<std::string, std::string>& pods() const { return states_.at(version_); }

    bool watch_list = true;     ///< Offers sendInitialEvents.
    std::size_t page_size = 3;  ///< However many are asked for.

  private:
    struct Change {
        std::string name;
        std::string label;  ///< Before the change, when removed.
        bool removed = false;
    };
    Answer list(const std::string& target) const;
    Answer watch(const std::string& target) const;
    std::string pod_at(int version, const std::string& name) const;

    std::map<int, std::map<std::string, std::string>> states_{{1, {}}};
    std::map<int, Change> changes_{};
    int version_ = 1;
    int compacted_ = 1;  ///< The oldest version that can be watched from or listed.
};

}  // namespace podfence::test
