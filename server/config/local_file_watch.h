// The files of this machine that the policies in force name: secrets and
// authorities. Finds out which of them changed, so that what is new is taken
// without a word from anybody: a look costs a stat() for each, and only what
// changed is read. Config worker only; no clock.
#ifndef SLUICE_SERVER_CONFIG_LOCAL_FILE_WATCH_H_
#define SLUICE_SERVER_CONFIG_LOCAL_FILE_WATCH_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "proto/tls/renewal_figures.h"
#include "server/config/credentials.h"
#include "server/engine/route_table.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

// What tells two states of a file apart without reading it.
struct FileStamp {
  bool there = false;
  uint64_t device = 0, inode = 0, size = 0;
  int64_t modified_ns = 0, changed_ns = 0;

  bool operator==(const FileStamp&) const = default;
};
FileStamp StampOf(const std::string& path);

class LocalFileWatch {
 public:
  explicit LocalFileWatch(const CredentialResolver& resolver) : resolver_(resolver) {}

  // `table` is in force: its files are those to look at.
  void Follow(const RouteTable& table, absl::Time now);

  struct News {
    // Credentials whose secret is another now.
    std::set<std::string> secrets;
    // Some authorities are others now.
    bool authorities = false;
    // What cannot be used as it is, once for each state of a file.
    std::vector<std::string> problems;
    // A file that changed since the look before counts only once it stands still:
    // look again soon.
    bool unsettled = false;
    // The files that were refused for want of it may serve now.
    bool awaited = false;

    bool renewed() const { return !secrets.empty() || authorities; }
  };
  // At the next `most` files; a walk through all of them begins with
  // BeginWalk() and ends when `walked()`.
  void BeginWalk() { next_ = ""; }
  bool walked() const { return !next_; }
  News Look(size_t most);
  // At those that were unsettled only.
  News LookAgain();
  // At one, or all, whatever the stamps say and though it may be written just
  // now: what is in force was refused, or somebody asked.
  News LookClosely(const std::string& credential);
  News LookCloselyAtAll();

  // An update of these resources was refused: their files may be why. `before`:
  // as they were when it was compiled.
  using Stamps = std::map<std::string, FileStamp>;
  static Stamps StampsOf(absl::Span<const v1::Resource* const> resources);
  void Await(Stamps before) { awaited_ = std::move(before); }

  // "credentials" and "upstream_ca", as far as there are such files.
  std::vector<RenewalFigures> figures() const;

 private:
  enum class Kind { kSecret, kAuthorities };
  struct File {
    Kind kind;
    std::string path;
    // The secret, or the digest of the authorities.
    std::string in_force;
    std::optional<FileStamp> known;  // as it was when it was last read
    std::optional<FileStamp> seen;   // at the look before, where it differed
  };
  struct Figures {
    uint64_t failures = 0;
    absl::Time taken;
  };

  // kRefused: what is in force was; kAsked: somebody did, and is told all.
  enum class Why { kTime, kRefused, kAsked };

  void Add(std::map<std::string, File>& files, const std::string& name, File file, absl::Time now);
  void LookAt(const std::string& name, File& file, Why why, News& news);
  void Read(const std::string& name, File& file, bool tell, News& news);
  void LookAtAwaited(News& news);

  const CredentialResolver& resolver_;
  // By credential name, authorities by "ca:" and path.
  std::map<std::string, File> files_;
  std::optional<std::string> next_;
  std::map<Kind, Figures> figures_;
  Stamps awaited_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_LOCAL_FILE_WATCH_H_
