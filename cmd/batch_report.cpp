#include "cmd/batch_report.hpp"

#include <sstream>

#include <boost/json.hpp>

#include "nft/text.hpp"

namespace podfence::cmd {

boost::json::value to_json(const nft::BatchSummary& summary) {
    return {{"table_added", summary.table_added},
            {"table_deleted", summary.table_deleted},
            {"chains_added", summary.chains_added},
            {"chains_deleted", summary.chains_deleted},
            {"chains_replaced", summary.chains_replaced},
            {"rules_added", summary.rules_added},
            {"sets_added", summary.sets_added},
            {"sets_deleted", summary.sets_deleted},
            {"elements_added", summary.elements_added},
            {"elements_deleted", summary.elements_deleted}};
}

namespace {

char sign_of(const nft::Op& op) {
    if (std::holds_alternative<nft::FlushChain>(op)) return '~';
    const bool removes = std::holds_alternative<nft::DeleteTable>(op) ||
                         std::holds_alternative<nft::DeleteSet>(op) ||
                         std::holds_alternative<nft::DeleteElements>(op) ||
                         std::holds_alternative<nft::DeleteEntries>(op) ||
                         std::holds_alternative<nft::DeleteChain>(op);
    return removes ? '-' : '+';
}

}  // namespace

std::vector<DiffLine> diff_lines(const nft::Batch& batch) {
    std::vector<DiffLine> lines;
    for (const nft::Op& op : batch.ops) {
        std::istringstream text(nft::to_text(batch.table, op));
        for (std::string line; std::getline(text, line);) {
            if (!line.empty()) lines.push_back({.sign = sign_of(op), .text = std::move(line)});
        }
    }
    return lines;
}

}  // namespace podfence::cmd
