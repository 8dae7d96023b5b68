#include "controller/status_sources.hpp"

namespace podfence {

void tell_source(const SourceStatus& source, AgentStatus& status) {
    status.origin = source.origin;
    status.sources.clear();
    for (const Kind kind : kKinds) {
        const KindStatus& from = source.kinds[index_of(kind)];
        SourceKind to{.kind = std::string(resource_name(kind)),
                      .state = std::string(to_string(from.state)),
                      .listed = from.listed,
                      .connected = from.state == KindStatus::State::watching,
                      .objects = from.objects,
                      .events = from.events,
                      .restarts = from.failures};
        if (from.heard != KindStatus::Time{}) to.heard = wall_time(from.heard);
        if (from.trouble) {
            to.error = from.trouble->message;
            to.remedy = from.trouble->remedy;
        }
        if (from.state == KindStatus::State::waiting) to.retry = wall_time(from.retry_at);
        status.sources.push_back(std::move(to));
    }
}

}  // namespace podfence
