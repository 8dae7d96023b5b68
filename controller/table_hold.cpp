#include "controller/table_hold.hpp"

namespace podfence {

void TableHold::note(nft::Hold hold, Log& log) {
    const bool news = !hold_ || is_ours() != (hold == nft::Hold::ours);
    hold_ = hold;
    if (!news) return;
    if (is_ours()) {
        log.info("the table is ours: nobody else can change it");
    } else {
        log.info("anybody may change the table; what others do to it is repaired",
                 {{"because", shared_because()}});
    }
}

std::string TableHold::shared_because() const {
    if (!hold_ || is_ours()) return "";
    if (wanted_ == nft::Ownership::shared) return "of --table-owner=off";
    if (kernel_.makes() != nft::Hold::ours) {
        return "the kernel knows no owners that their tables outlive (Linux 6.9 does)";
    }
    return "it was made without an owner, and gets one when it is made anew";
}

}  // namespace podfence
