#include "controller/source.hpp"

#include <type_traits>

#include "nft/error.hpp"

namespace podfence {

std::string_view to_string(Kind kind) {
    constexpr std::array<std::string_view, kKinds.size()> kNames = {"Pod", "Namespace",
                                                                    "NetworkPolicy"};
    return kNames[index_of(kind)];
}

std::string_view resource_name(Kind kind) {
    constexpr std::array<std::string_view, kKinds.size()> kNames = {"pods", "namespaces",
                                                                    "networkpolicies"};
    return kNames[index_of(kind)];
}

std::string_view api_group_path(Kind kind) {
    return kind == Kind::policy ? "/apis/networking.k8s.io/v1" : "/api/v1";
}

Kind kind_of(const Object& object) {
    static_assert(std::is_same_v<std::variant_alternative_t<index_of(Kind::pod), Object>, Pod>);
    static_assert(
        std::is_same_v<std::variant_alternative_t<index_of(Kind::ns), Object>, Namespace>);
    static_assert(
        std::is_same_v<std::variant_alternative_t<index_of(Kind::policy), Object>, NetworkPolicy>);
    return kKinds[object.index()];
}

ObjectName name_of(const Object& object) {
    if (const auto* ns = std::get_if<Namespace>(&object)) return {.ns = {}, .name = ns->name};
    if (const auto* pod = std::get_if<Pod>(&object)) return pod->name;
    return std::get<NetworkPolicy>(object).name;
}

std::string_view to_string(Trouble::Cause cause) {
    switch (cause) {
        case Trouble::Cause::unreachable:
            return "unreachable";
        case Trouble::Cause::untrusted:
            return "untrusted";
        case Trouble::Cause::credentials:
            return "credentials";
        case Trouble::Cause::forbidden:
            return "forbidden";
        case Trouble::Cause::throttled:
            return "throttled";
        case Trouble::Cause::server_error:
            return "server_error";
        case Trouble::Cause::protocol:
            return "protocol";
        case Trouble::Cause::input:
            return "input";
    }
    return "?";
}

std::string to_string(const Trouble& trouble) {
    return trouble.remedy.empty() ? trouble.message : trouble.message + " (" + trouble.remedy + ')';
}

void throw_exception_from_error(const Trouble& trouble, const boost::source_location& where) {
    const std::string text = "unexpected trouble: " + to_string(trouble);
    nft::check_failed(text.c_str(), where.file_name(), static_cast<int>(where.line()));
}

std::string_view to_string(KindStatus::State state) {
    switch (state) {
        case KindStatus::State::stopped:
            return "stopped";
        case KindStatus::State::listing:
            return "listing";
        case KindStatus::State::watching:
            return "watching";
        case KindStatus::State::waiting:
            return "waiting";
    }
    return "?";
}

}  // namespace podfence
