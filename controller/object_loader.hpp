#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/decode.hpp"
#include "controller/manifest_source.hpp"
#include "controller/problem_log.hpp"
#include "controller/sniff.hpp"

namespace podfence {

inline constexpr const char* kPolicyVersion = "networking.k8s.io/v1";

/// Takes the documents of manifests, in parts as they are read, into a cluster.
class ObjectLoader {
  public:
    /// Not owned: `loaded` gets the cluster and the counts, `log` the problems.
    ObjectLoader(Loaded& loaded, ProblemLog& log, const LoadOptions& options)
        : loaded_(loaded), log_(log), options_(options) {}

    void begin_source(const std::string& file) { file_ = file; }
    /// All of its documents have come.
    void end_source();

    /// A document: its items one by one where it is a list, then the rest of it. Items without a
    /// kind wait for their list's, which may come last.
    void begin_document(std::uint32_t line);
    /// What of the list was read before its items; its kind, when it is there, saves the waiting.
    void head(const Node& partial);
    void item(Node node);
    void end_document(const Node& root);

    /// A piece that is no YAML or JSON or passes a limit. What could be policies in it isolate.
    void unreadable(std::uint32_t line, const std::string& message,
                    const std::vector<SniffedPolicy>& policies);
    /// A document that broke off: as above, and items that still wait are lost.
    void abandon_document();
    /// The text ended inside a document, or it is unknown what all of it is: what is lost may have
    /// been policies, which cannot isolate then, unless the list is known to hold other objects.
    void cut_off();

    void error(std::uint32_t line, std::string message, std::string remedy);

    /// After all sources: what only the whole shows.
    void finish();

  private:
    void object(const Node& node, std::size_t depth);
    void note_end(const Node& node, const std::string& kind, std::size_t depth);
    void children(const Node& list, std::size_t depth);
    void typed(const Node& node, const std::string& api_version, const std::string& kind,
               std::size_t depth);
    void check_lost_policies(std::uint32_t line);
    void release_pending(const Node& root);
    bool repeats_header(const Node& node);
    void put_pod(const Node& node, const std::string& version, const std::string& kind);
    void put_namespace(const Node& node, const std::string& version, const std::string& kind);
    void put_policy(const Node& node, bool trusted);
    void put_unreadable(const SniffedPolicy& sniffed);
    void check_namespace(const Node& node, const std::string& read_as);
    void check_header(Report& report, const Node& node, const std::string& version,
                      const std::string& kind, const std::string& wanted_kind);
    void warn_replaced(Report& report, const SourcePos& before, const SourcePos& now);
    void warn_unseen_namespaces();
    std::string free_name(const std::string& ns, const std::string& wanted, std::uint32_t line);

    Loaded& loaded_;
    ProblemLog& log_;
    const LoadOptions& options_;
    std::string file_{};
    std::uint32_t document_line_ = 0;
    std::uint32_t unfinished_line_ = 0;  ///< Of the last object if it may be cut off; else 0.
    std::size_t items_ = 0;
    std::string list_kind_{};     ///< Of the current document, once known.
    std::string list_version_{};  ///< Likewise.
    std::vector<Node> pending_{};
    std::size_t pending_nodes_ = 0;
    std::size_t pending_lost_ = 0;
    bool unknown_items_ = false;  ///< Something was unreadable and did not look like a policy.
    std::map<std::uint32_t, std::size_t> last_number_{};  ///< Of names made up, by line.
    std::set<ObjectName>
        made_up_{};  ///< Policies whose names are guesses; real ones displace them.
};

}  // namespace podfence
