// backup: a copy of the control plane's store, checked before it gets its name.
#include <openssl/evp.h>
#include <sqlite3.h>

#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "controlplane/ctl/commands.h"
#include "proto/connection/whole_file.h"

namespace sluice::ctl {
namespace {

// A store of a gigabyte over a slow line; --timeout bounds small requests.
constexpr absl::Duration kLongestBackup = absl::Minutes(30);

struct BackupOptions {
  std::string file;
  bool force = false;
};

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_, EVP_sha256(), nullptr); }
  ~Sha256() { EVP_MD_CTX_free(context_); }
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Add(const std::string& bytes) { EVP_DigestUpdate(context_, bytes.data(), bytes.size()); }
  std::string Digest() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_, digest, &size);
    return std::string(reinterpret_cast<char*>(digest), size);
  }

 private:
  EVP_MD_CTX* const context_;
};

// "" or what is wrong with a file that should be a store of this epoch.
std::string StoreTrouble(const std::string& path, const std::string& epoch) {
  sqlite3* db = nullptr;
  std::string trouble;
  if (sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK) trouble = sqlite3_errmsg(db);
  sqlite3_stmt* statement = nullptr;
  static constexpr char kEpoch[] = "SELECT value FROM meta WHERE key = 'epoch'";
  if (trouble.empty() && sqlite3_prepare_v2(db, kEpoch, -1, &statement, nullptr) != SQLITE_OK) {
    trouble = sqlite3_errmsg(db);
  }
  if (trouble.empty()) {
    const bool row = sqlite3_step(statement) == SQLITE_ROW;
    const auto* text = row ? reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)) : nullptr;
    if (text == nullptr || epoch != text) trouble = absl::StrCat("it holds no store of epoch ", epoch);
  }
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return trouble;
}

std::string SizeText(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " bytes");
  const double kib = static_cast<double>(bytes) / 1024;
  return kib < 1024 ? absl::StrFormat("%.1f KiB", kib) : absl::StrFormat("%.1f MiB", kib / 1024);
}

// What came over the stream.
class Receiver {
 public:
  explicit Receiver(WholeFile& file) : file_(file) {}

  absl::Status Take(const v1::BackupResponse& piece) {
    if (piece.has_header()) header_ = piece.header();
    if (piece.has_trailer()) trailer_ = piece.trailer();
    if (piece.kind_case() != v1::BackupResponse::kData) return absl::OkStatus();
    size_ += piece.data().size();
    sha256_.Add(piece.data());
    return file_.Write(piece.data());
  }

  // "" or why it is no whole copy.
  std::string Trouble() {
    if (!header_.has_value() || !trailer_.has_value()) return "it ended before all of it had come";
    if (size_ != trailer_->size_bytes()) {
      return absl::StrCat("of ", trailer_->size_bytes(), " bytes ", size_, " came");
    }
    if (sha256_.Digest() != trailer_->sha256()) return "its SHA-256 is not that of what was sent";
    return StoreTrouble(file_.temporary_path(), header_->epoch());
  }

  const v1::BackupHeader& header() const { return *header_; }
  uint64_t size() const { return size_; }

 private:
  WholeFile& file_;
  Sha256 sha256_;
  std::optional<v1::BackupHeader> header_;
  std::optional<v1::BackupTrailer> trailer_;
  uint64_t size_ = 0;
};

ExitCode Receive(Session& session, const BackupOptions& options) {
  WholeFile file;
  if (const absl::Status opened = file.Open(options.file); !opened.ok()) {
    return session.Fail(ExitCode::kUnexpected, absl::StrCat("backup: ", opened.message()));
  }
  Receiver receiver(file);
  absl::Status written;
  const grpc::Status status = session.ReadStream<v1::BackupRequest, v1::BackupResponse>(
      &v1::Admin::Stub::Backup, {}, std::max(kLongestBackup, session.timeout()), [&](const v1::BackupResponse& piece) {
        written = receiver.Take(piece);
        return written.ok();
      });
  if (written.ok() && !status.ok()) return session.Fail(status);
  if (written.ok()) written = file.Flush();
  if (!written.ok()) return session.Fail(ExitCode::kUnexpected, absl::StrCat("backup: ", written.message()));
  if (const std::string trouble = receiver.Trouble(); !trouble.empty()) {
    return session.Fail(ExitCode::kUnexpected, absl::StrCat("backup: the copy is not whole: ", trouble,
                                                            "; nothing was written to ", options.file));
  }
  if (const absl::Status placed = file.Commit(); !placed.ok()) {
    return session.Fail(ExitCode::kUnexpected, absl::StrCat("backup: ", placed.message()));
  }
  session.out() << options.file << ": epoch " << receiver.header().epoch() << ", revision "
                << receiver.header().revision() << ", " << SizeText(receiver.size()) << ", checked\n";
  return ExitCode::kOk;
}

ExitCode Backup(Session& session, const BackupOptions& options) {
  if (options.file == "-") {
    return session.Fail(ExitCode::kUsage,
                        "backup: a copy is checked before it gets its name; give a file in place of -");
  }
  std::error_code error;
  const std::filesystem::file_status there = std::filesystem::status(options.file, error);
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there)) {
    return session.Fail(ExitCode::kUsage, absl::StrCat("backup: ", options.file, " is no file that could be written"));
  }
  if (std::filesystem::exists(there) && !options.force) {
    return session.Fail(ExitCode::kUsage, absl::StrCat("backup: ", options.file, " exists; --force overwrites it"));
  }
  return Receive(session, options);
}

}  // namespace

void AddBackup(CommandSet& commands) {
  auto options = std::make_shared<BackupOptions>();
  CLI::App& app = commands.Add("backup", "Copy the control plane's store to a file, while it is used",
                               "sluicectl backup sluice-backup.db\n"
                               "sluicectl backup /var/backups/sluice.db --force\n"
                               "sluice-controlplane restore --help                  the way back",
                               [options](Session& session) { return Backup(session, *options); });
  app.add_option("file", options->file, "Where to; made with mode 0600")->required();
  app.add_flag("--force", options->force, "Overwrite a file that is there");
}

}  // namespace sluice::ctl
