#include "test/tools/matrix.hpp"

#include <algorithm>
#include <cstdlib>
#include <iomanip>
#include <ostream>
#include <string>
#include <vector>

#include "controller/explain.hpp"
#include "test/support/lab_poller.hpp"
#include "test/support/lab_prober.hpp"
#include "test/support/lab_witness.hpp"
#include "test/tools/objects.hpp"

namespace podfence::lab {

namespace {

constexpr std::uint16_t kCloudPort = 443;

/// A row or the address part of a column.
struct End {
    std::string name;
    std::vector<Address> addresses;
};
struct Column {
    End end;
    std::uint16_t port = 0;
    Protocol protocol = Protocol::tcp;
};
/// A flow of one family, and the cell it belongs to.
struct Probe {
    std::size_t row = 0;
    std::size_t column = 0;
};
enum class Cell : std::uint8_t { none, allowed, denied, mixed };

std::vector<End> rows_of(const Cluster& cluster) {
    std::vector<End> rows;
    for (const auto& [name, pod] : cluster.pods()) {
        rows.push_back({to_string(name), pod.addresses});
    }
    for (const auto* outside : {kPartner, kBlocked}) {
        rows.push_back({std::string("outside ") + outside, {*Address::parse(outside)}});
    }
    return rows;
}

std::vector<Column> columns_of(const Cluster& cluster) {
    std::vector<Column> columns;
    for (const auto& [name, pod] : cluster.pods()) {
        for (const auto& port : pod.ports) {
            columns.push_back({{to_string(name), pod.addresses}, port.number, port.protocol});
        }
    }
    columns.push_back({{std::string("outside ") + kCloud, {*Address::parse(kCloud)}}, kCloudPort});
    return columns;
}

const char* mark(Cell cell, bool colour) {
    switch (cell) {
        case Cell::none:
            return colour ? "\033[2m·\033[0m" : "·";
        case Cell::allowed:
            return colour ? "\033[32m✓\033[0m" : "✓";
        case Cell::denied:
            return colour ? "\033[31m✗\033[0m" : "✗";
        case Cell::mixed:
            return colour ? "\033[33m!\033[0m" : "!";
    }
    return "?";
}

void print(const std::vector<End>& rows, const std::vector<Column>& columns,
           const std::vector<std::vector<Cell>>& cells, std::ostream& out, bool colour) {
    std::size_t width = 0;
    for (const auto& row : rows) width = std::max(width, row.name.size());
    const auto column_width = [](std::size_t c) { return c < 9 ? 3 : 4; };
    out << std::setw(static_cast<int>(width)) << std::left << "  from \\ to" << std::right;
    for (std::size_t c = 0; c < columns.size(); ++c) {
        out << std::setw(column_width(c)) << c + 1;
    }
    out << "\n";
    for (std::size_t r = 0; r < rows.size(); ++r) {
        out << std::setw(static_cast<int>(width)) << std::left << rows[r].name << std::right;
        for (std::size_t c = 0; c < columns.size(); ++c) {
            out << std::string(static_cast<std::size_t>(column_width(c)) - 1, ' ')
                << mark(cells[r][c], colour);
        }
        out << "\n";
    }
    for (std::size_t c = 0; c < columns.size(); ++c) {
        out << std::setw(4) << c + 1 << "  " << columns[c].end.name << "  " << columns[c].port
            << "/" << to_string(columns[c].protocol) << "\n";
    }
}

}  // namespace

int measure_matrix(const Network& network, const Cluster& cluster, bool judged, std::ostream& out,
                   bool colour) {
    colour = colour && std::getenv("NO_COLOR") == nullptr;
    const auto rows = rows_of(cluster);
    const auto columns = columns_of(cluster);
    std::vector<Flow> flows;
    std::vector<Probe> probes;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        for (std::size_t c = 0; c < columns.size(); ++c) {
            const auto& [end, port, protocol] = columns[c];
            if (rows[r].name.substr(0, 7) == "outside" && end.name.substr(0, 7) == "outside") {
                continue;
            }
            if (rows[r].name == end.name) continue;
            for (const auto& source : rows[r].addresses) {
                for (const auto& destination : end.addresses) {
                    if (source.family() != destination.family()) continue;
                    flows.push_back(
                        {source, destination, static_cast<std::uint8_t>(protocol), port});
                    probes.push_back({r, c});
                }
            }
        }
    }
    Poller poller;
    Witness witness(network);
    Prober prober(network, poller, witness);
    const auto outcomes = prober.run(flows);

    std::vector<std::vector<Cell>> cells(rows.size(), std::vector<Cell>(columns.size()));
    std::size_t wrong = 0;
    std::size_t passed = 0;
    for (std::size_t i = 0; i < flows.size(); ++i) {
        const bool pass = reached(outcomes[i]);
        passed += pass ? 1 : 0;
        auto& cell = cells[probes[i].row][probes[i].column];
        const auto now = pass ? Cell::allowed : Cell::denied;
        cell = cell == Cell::none || cell == now ? now : Cell::mixed;
        if (judged && allowed(cluster, flows[i]) != pass) {
            ++wrong;
            out << "DISAGREEMENT: " << to_string(flows[i]) << ": the packet "
                << (pass ? "passed" : "was dropped") << ", the policies say otherwise\n";
        }
    }
    print(rows, columns, cells, out, colour);
    out << flows.size() << " connections sent over IPv4 and IPv6: " << passed << " reached, "
        << flows.size() - passed << " dropped\n";
    if (judged && wrong == 0) out << "every one of them as the policies say\n";
    return wrong == 0 ? 0 : 1;
}

}  // namespace podfence::lab
