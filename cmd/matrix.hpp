#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cmd/endpoint.hpp"
#include "cmd/input.hpp"
#include "cmd/terminal.hpp"
#include "controller/explain.hpp"

namespace podfence::cmd {

/// Ports judged on one destination; a bit each in Cell.
inline constexpr std::size_t kMatrixTargetsMax = 16;

enum class Reach : std::uint8_t {
    all,      ///< All judged ports.
    some,     ///< Some of them.
    none,     ///< None.
    nothing,  ///< There is nothing to judge: no such port there, or no address family in common.
};

struct Cell {
    Reach reach = Reach::nothing;
    std::uint16_t allowed = 0;  ///< Bit i: targets[i] of the destination is allowed.
    friend bool operator==(const Cell&, const Cell&) = default;
};

/// Who can reach whom: every pod with an address against every other.
struct Matrix {
    std::vector<const Pod*> pods{};  ///< By namespace and name. Owned by the cluster.
    std::vector<std::vector<Address>> addresses{};  ///< That each pod holds; never empty.
    std::vector<std::vector<Target>> targets{};     ///< Judged on each pod as destination.
    std::vector<Cell> cells{};                      ///< Row by row; rows are sources.
    PortQuery query{};
    bool declared = false;  ///< Without --port: each destination's declared ports.

    std::size_t size() const { return pods.size(); }
    /// The flows from one pod to a target of another, for each address family that both have.
    std::vector<Flow> flows(std::size_t from, std::size_t to, const Target& target) const;
    const Cell& at(std::size_t from, std::size_t to) const { return cells[from * size() + to]; }
    /// "on 5432/TCP", "on the ports that each destination declares"
    std::string subject() const;
};

Matrix build_matrix(const Cluster& cluster, std::vector<const Pod*> pods, const PortQuery& query,
                    const ExplainOptions& options);

/// Pods that share a row and a column: one, or several of a namespace that nothing tells apart.
struct PodGroup {
    std::vector<std::size_t> members;  ///< Indexes into Matrix::pods.
    std::string ns;
    std::string label;  ///< "web-7d4f-* (3)"
};
/// In the matrix's order; without `merge` each pod by itself.
std::vector<PodGroup> group_pods(const Matrix& matrix, bool merge);

/// An aligned table. Unless `full`, pods that nothing tells apart share a row and a column when
/// there are many.
void print_text(Output& out, const Matrix& matrix, bool full);
void print_json(Output& out, const Matrix& matrix, const Input& input);
/// One self-contained page with the reasons for every cell, and what is wrong with the input.
std::string html_page(const Input& input, const Matrix& matrix, const ExplainOptions& options);

}  // namespace podfence::cmd
