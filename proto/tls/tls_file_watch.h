// When a new set of TLS files is taken: once all of it has stood unchanged for
// two looks and fits together. Until then, and where it stays wrong, the set
// before is kept. No thread, no clock: whoever looks decides how often.
#ifndef SLUICE_PROTO_TLS_TLS_FILE_WATCH_H_
#define SLUICE_PROTO_TLS_TLS_FILE_WATCH_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "proto/tls/tls_files.h"

namespace sluice {

class TlsFileWatch {
 public:
  // `in_force`: as it was read at the start.
  TlsFileWatch(TlsFiles files, TlsTexts in_force) : files_(std::move(files)), in_force_(std::move(in_force)) {}

  struct News {
    // A new set, which counts as in force from here on.
    std::optional<TlsSet> taken = std::nullopt;
    // What is wrong with the files as they are, once for each content.
    std::string problem = {};
    // They changed since the look before: look again soon.
    bool unsettled = false;
  };
  // A key often comes before its certificate, so what is wrong is told only when
  // the look after the one that found it finds it again. `at_once`: somebody
  // asked, and is told (again) as soon as the files stand still.
  News Look(bool at_once = false);

  const TlsFiles& files() const { return files_; }

 private:
  News Wrong(std::string problem, bool at_once);

  const TlsFiles files_;
  TlsTexts in_force_;
  // Of the look before: the texts, or why they could not be read.
  std::optional<absl::StatusOr<TlsTexts>> seen_;
  std::string found_;  // wrong at the look before
  std::string told_;   // and told
};

}  // namespace sluice

#endif  // SLUICE_PROTO_TLS_TLS_FILE_WATCH_H_
