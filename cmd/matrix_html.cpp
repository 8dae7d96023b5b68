// The matrix as one self-contained page. Reasons are computed here, once, and deduplicated: most
// cells of a large matrix have one of a few reasons.
#include <array>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include <boost/json.hpp>

#include "cmd/matrix.hpp"
#include "cmd/matrix_page.hpp"
#include "cmd/reason.hpp"
#include "podfence_version.hpp"

namespace podfence::cmd {

namespace {

/// Stand for the ends of a cell in a reason's text, so that reasons of replicas are equal; the page
/// puts the names back. Control characters never occur in names.
constexpr char kSourceName = '\x01';
constexpr char kDestinationName = '\x02';
constexpr char kSourceAddress = '\x03';
constexpr char kDestinationAddress = '\x04';

constexpr std::size_t kProblemsMax = 50;

/// Gives equal values one number, in order of first use.
template <class T>
class Interned {
  public:
    std::size_t id(const T& value) {
        const auto [entry, is_new] = ids_.emplace(value, ids_.size());
        if (is_new) values_.push_back(&entry->first);
        return entry->second;
    }
    const std::vector<const T*>& values() const { return values_; }

  private:
    std::map<T, std::size_t> ids_;
    std::vector<const T*> values_;
};

void replace_all(std::string& text, const std::string& what, char with) {
    if (what.empty()) return;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
        text.replace(at, what.size(), 1, with);
        ++at;
    }
}

using Line = std::tuple<unsigned, unsigned, std::string, std::string>;  // depth, mark, text, at
using Ids = std::vector<std::size_t>;

class PageData {
  public:
    PageData(const Cluster& cluster, const Matrix& matrix, const ExplainOptions& options)
        : cluster_(cluster), matrix_(matrix), options_(options) {
        for (const Pod* pod : matrix.pods) names_.push_back(to_string(pod->name));
        for (const auto& held : matrix.addresses) addresses_.push_back(to_string(held.front()));
    }

    boost::json::object build() {
        boost::json::array pods;
        boost::json::array reach;
        boost::json::array why;
        for (std::size_t from = 0; from < matrix_.size(); ++from) {
            pods.push_back(pod_json(from));
            std::string row;
            boost::json::array reasons;
            for (std::size_t to = 0; to < matrix_.size(); ++to) {
                row += from == to ? '-' : letter(matrix_.at(from, to).reach);
                reasons.push_back(cells_.id(cell_reasons(from, to)));
            }
            reach.push_back(boost::json::string(row));
            why.push_back(std::move(reasons));
        }
        return {
            {"version", kVersion},       {"subject", matrix_.subject()},  {"pods", std::move(pods)},
            {"reach", std::move(reach)}, {"why", std::move(why)},         {"groups", groups_json()},
            {"cells", ids_json(cells_)}, {"reasons", ids_json(reasons_)}, {"lines", lines_json()}};
    }

  private:
    static char letter(Reach reach) {
        constexpr std::string_view kLetters = "asnx";  // In the order of Reach.
        return kLetters[static_cast<std::size_t>(reach)];
    }

    boost::json::value pod_json(std::size_t index) const {
        const Pod& pod = *matrix_.pods[index];
        boost::json::array ports;
        for (const Target& target : matrix_.targets[index]) {
            ports.push_back(boost::json::string(to_string(target) +
                                                (target.name.empty() ? "" : " " + target.name)));
        }
        boost::json::array addresses;
        for (const Address& address : matrix_.addresses[index]) {
            addresses.push_back(boost::json::string(to_string(address)));
        }
        boost::json::array labels;
        for (const auto& [key, value] : pod.labels) {
            boost::json::string label(key);
            labels.push_back(label.append("=").append(value));
        }
        return {{"ns", pod.name.ns},           {"name", pod.name.name},
                {"ports", std::move(ports)},   {"addresses", std::move(addresses)},
                {"labels", std::move(labels)}, {"node", pod.node.get()}};
    }

    boost::json::array groups_json() const {
        boost::json::array list;
        for (const PodGroup& group : group_pods(matrix_, true)) {
            boost::json::array members(group.members.begin(), group.members.end());
            list.push_back({{"label", group.label}, {"members", std::move(members)}});
        }
        return list;
    }

    /// For each target of the destination: its index, the reasons of egress and of ingress.
    Ids cell_reasons(std::size_t from, std::size_t to) {
        Ids ids;
        if (from == to) return ids;
        const auto& targets = matrix_.targets[to];
        for (std::size_t i = 0; i < targets.size(); ++i) {
            const auto flows = matrix_.flows(from, to, targets[i]);
            if (flows.empty()) continue;
            Explanation why = explain(cluster_, flows.front(), options_);
            for (std::size_t other = 1; other < flows.size() && why.allowed(); ++other) {
                why = explain(cluster_, flows[other], options_);  // The family that is denied.
            }
            ids.push_back(i);
            ids.push_back(reason_id(from, to, why, Direction::egress));
            ids.push_back(reason_id(from, to, why, Direction::ingress));
        }
        return ids;
    }

    std::size_t reason_id(std::size_t from, std::size_t to, const Explanation& why,
                          Direction direction) {
        const auto& outcome = direction == Direction::egress ? why.egress : why.ingress;
        Ids ids;
        for (const ReasonLine& line : reasons(outcome, direction)) {
            std::string text = line.text;
            // Of two names the longer first: one may be the beginning of the other.
            std::array<std::pair<std::size_t, char>, 2> ends{
                {{from, kSourceName}, {to, kDestinationName}}};
            if (names_[from].size() < names_[to].size()) std::swap(ends[0], ends[1]);
            for (const auto& [pod, mark] : ends) replace_all(text, names_[pod], mark);
            // The page knows a pod's first address.
            if (why.flow.source == matrix_.addresses[from].front()) {
                replace_all(text, addresses_[from], kSourceAddress);
            }
            if (why.flow.destination == matrix_.addresses[to].front()) {
                replace_all(text, addresses_[to], kDestinationAddress);
            }
            ids.push_back(lines_.id({line.depth, static_cast<unsigned>(line.mark), std::move(text),
                                     line.at.line == 0 ? std::string() : to_string(line.at)}));
        }
        return reasons_.id(ids);
    }

    static boost::json::array ids_json(const Interned<Ids>& interned) {
        boost::json::array list;
        for (const Ids* ids : interned.values()) {
            list.push_back(boost::json::array(ids->begin(), ids->end()));
        }
        return list;
    }

    boost::json::array lines_json() const {
        boost::json::array list;
        for (const Line* line : lines_.values()) {
            const auto& [depth, mark, text, at] = *line;
            boost::json::array item;
            item.push_back(depth);
            item.push_back(mark);
            item.push_back(boost::json::string(text));
            if (!at.empty()) item.push_back(boost::json::string(at));
            list.push_back(std::move(item));
        }
        return list;
    }

    const Cluster& cluster_;
    const Matrix& matrix_;
    const ExplainOptions& options_;
    std::vector<std::string> names_;
    std::vector<std::string> addresses_;  ///< The first of each pod.
    Interned<Ids> cells_;
    Interned<Ids> reasons_;
    Interned<Line> lines_;
};

/// A page that judges a broken input says so.
boost::json::array problems_json(const std::vector<Problem>& problems) {
    boost::json::array list;
    for (const Problem& problem : problems) {
        if (list.size() == kProblemsMax) break;
        list.push_back(boost::json::string(to_string(problem)));
    }
    if (problems.size() > kProblemsMax) {
        list.push_back(boost::json::string(
            "... and " + count_of(problems.size() - kProblemsMax, "more problem")));
    }
    return list;
}

/// Nothing in the data may end the script element that holds it.
std::string for_script(const std::string& json) {
    std::string safe;
    for (const char c : json) {
        if (c == '<') {
            safe += "\\u003c";
        } else {
            safe += c;
        }
    }
    return safe;
}

}  // namespace

std::string html_page(const Input& input, const Matrix& matrix, const ExplainOptions& options) {
    boost::json::object content = PageData(input.cluster(), matrix, options).build();
    content["problems"] = problems_json(input.loaded.problems);
    const std::string data = for_script(boost::json::serialize(content));
    const std::string_view page = kMatrixPage;
    constexpr std::string_view kPlace = "{{DATA}}";
    const auto at = page.find(kPlace);
    return std::string(page.substr(0, at)).append(data).append(page.substr(at + kPlace.size()));
}

}  // namespace podfence::cmd
