// How changes are shown, after they were made and before. Called by every
// command that changes or compares; no state.
#ifndef SLUICE_CONTROLPLANE_CTL_CHANGE_TEXT_H_
#define SLUICE_CONTROLPLANE_CTL_CHANGE_TEXT_H_

#include <cstddef>
#include <ostream>
#include <string>

#include "google/protobuf/repeated_ptr_field.h"
#include "sluice/v1/control.pb.h"

namespace sluice::ctl {

using Changes = google::protobuf::RepeatedPtrField<v1::Change>;

bool AnyDifference(const Changes& changes);

// "upstream/openai created", the changed fields below it.
void PrintResults(const Changes& changes, bool dry_run, std::ostream& out);

// "~ retrypolicy/default" and "    max_attempts: 3 → 4"; what is unchanged is
// left out.
void PrintDiff(const Changes& changes, bool color, std::ostream& out);

// How many of a revision's changes a table tells of on a terminal of this width (0:
// it is none), so that there is room for the rest.
int ChangesShown(size_t width);

// One line: "+upstream/openai ~route/chat", at most `most` of them.
std::string Summary(const Changes& changes, int most);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_CHANGE_TEXT_H_
