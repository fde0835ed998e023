// Two changes of one text put together line by line, as diff3 does. Pure.
#ifndef SLUICE_CONTROLPLANE_CTL_THREE_WAY_H_
#define SLUICE_CONTROLPLANE_CTL_THREE_WAY_H_

#include <string>
#include <string_view>

namespace sluice::ctl {

struct MergedText {
  std::string text;
  // Places where both changed the same lines in different ways: both stand
  // there, between markers.
  int conflicts = 0;
};

// What `mine` and `theirs` each made of `base`. The labels stand at the markers
// "<<<<<<< MINE", "=======" and ">>>>>>> THEIRS".
MergedText MergeThreeWay(std::string_view base, std::string_view mine, std::string_view theirs, std::string_view mine_label,
                         std::string_view theirs_label);

// A line of `text` that a merge put there and nobody has taken out.
bool HasMarkers(std::string_view text);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_THREE_WAY_H_
