#include "server/config/last_known_good.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

// magic(8) format(4) schema(4) saved-at µs(8) payload length(8) SHA-256(32)
// payload; integers little-endian; the sum is over all but itself.
constexpr char kMagic[] = "SLUICLKG";
constexpr size_t kMagicSize = 8, kFormatAt = 8, kSchemaAt = 12, kSavedAt = 16, kLengthAt = 24, kSumAt = 32;
constexpr size_t kHeaderSize = kSumAt + SHA256_DIGEST_LENGTH;
constexpr uint32_t kFormat = 1;
// More than any set that may be pushed; a larger file is not ours.
constexpr size_t kMaxFileBytes = 256 << 20;

constexpr char kCurrent[] = "config.lkg";
constexpr char kOlder[] = "config.lkg.1";
constexpr char kTemporary[] = "config.lkg.tmp";

void PutLittleEndian(std::string& out, size_t at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out[at + i] = static_cast<char>(value >> (8 * i));
}

uint64_t GetLittleEndian(std::string_view in, size_t at, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(static_cast<unsigned char>(in[at + i])) << (8 * i);
  return value;
}

std::string Checksum(std::string_view header, std::string_view payload) {
  std::string sum(SHA256_DIGEST_LENGTH, '\0');
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  EVP_DigestUpdate(context.get(), header.data(), header.size());
  EVP_DigestUpdate(context.get(), payload.data(), payload.size());
  EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(sum.data()), nullptr);
  return sum;
}

absl::Status Errno(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", strerror(errno)));
}

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno == ENOENT ? absl::NotFoundError(path) : Errno(path);
  absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return absl::DataLossError("not a regular file");
  if (static_cast<uint64_t>(info.st_size) > kMaxFileBytes) return absl::DataLossError("too large to be ours");
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t n = read(fd, bytes.data() + size, bytes.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno(path);
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  bytes.resize(size);
  return bytes;
}

absl::Status WriteDurably(const std::string& path, std::string_view bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return Errno(path);
  absl::Cleanup close_fd = [fd] { close(fd); };
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno(path);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return fsync(fd) == 0 ? absl::OkStatus() : Errno(path);
}

}  // namespace

std::string EncodeSavedConfig(const ResourceSet& set, absl::Time saved_at) {
  const std::string payload = set.ToSnapshot().SerializeAsString();
  std::string out(kHeaderSize, '\0');
  out.replace(0, kMagicSize, kMagic, kMagicSize);
  PutLittleEndian(out, kFormatAt, kFormat, 4);
  PutLittleEndian(out, kSchemaAt, kPolicySchemaVersion, 4);
  PutLittleEndian(out, kSavedAt, static_cast<uint64_t>(absl::ToUnixMicros(saved_at)), 8);
  PutLittleEndian(out, kLengthAt, payload.size(), 8);
  out.replace(kSumAt, SHA256_DIGEST_LENGTH, Checksum(std::string_view(out).substr(0, kSumAt), payload));
  return out + payload;
}

absl::StatusOr<SavedConfig> DecodeSavedConfig(std::string_view bytes) {
  if (bytes.size() < kHeaderSize) return absl::DataLossError("cut short");
  if (!bytes.starts_with(kMagic)) return absl::DataLossError("not a saved configuration");
  const std::string_view payload = bytes.substr(kHeaderSize);
  if (GetLittleEndian(bytes, kLengthAt, 8) != payload.size()) {
    return absl::DataLossError("cut short, or longer than it says");
  }
  if (bytes.substr(kSumAt, SHA256_DIGEST_LENGTH) != Checksum(bytes.substr(0, kSumAt), payload)) {
    return absl::DataLossError("the checksum does not match");
  }
  const uint64_t format = GetLittleEndian(bytes, kFormatAt, 4), schema = GetLittleEndian(bytes, kSchemaAt, 4);
  if (format != kFormat || schema > kPolicySchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("written by a newer version (format ", format, ", schema ", schema, ")"));
  }
  v1::Update update;
  if (!update.ParseFromArray(payload.data(), static_cast<int>(payload.size())) || !update.snapshot()) {
    return absl::DataLossError("its content cannot be read");
  }
  UpdatedSet updated = ApplyUpdate(ResourceSet(), update);
  if (!updated.violations.empty()) return absl::DataLossError(ViolationText(updated.violations.front()));
  return SavedConfig{std::move(updated.set),
                     absl::FromUnixMicros(static_cast<int64_t>(GetLittleEndian(bytes, kSavedAt, 8))), ""};
}

absl::StatusOr<std::unique_ptr<LastKnownGood>> LastKnownGood::Open(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::UnavailableError(absl::StrCat("state folder ", folder, ": ", error.message()));
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Errno(absl::StrCat("state folder ", folder));
  std::unique_ptr<LastKnownGood> opened(new LastKnownGood(folder, fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("state folder ", folder, " is used by another data plane"));
  }
  if (access(folder.c_str(), W_OK) != 0) return Errno(absl::StrCat("state folder ", folder));
  return opened;
}

// Closing gives the lock back.
LastKnownGood::~LastKnownGood() { close(folder_fd_); }

std::vector<SavedConfig> LastKnownGood::Load(std::vector<std::string>& problems) const {
  std::vector<SavedConfig> good;
  for (const char* name : {kCurrent, kOlder}) {
    const std::string path = absl::StrCat(folder_, "/", name);
    const auto bytes = ReadAll(path);
    if (absl::IsNotFound(bytes.status())) continue;
    auto saved = bytes.ok() ? DecodeSavedConfig(*bytes) : absl::StatusOr<SavedConfig>(bytes.status());
    if (saved.ok()) {
      saved->path = path;
      good.push_back(*std::move(saved));
    } else {
      problems.push_back(absl::StrCat(path, ": ", std::string(saved.status().message())));
    }
  }
  return good;
}

absl::Status LastKnownGood::Save(const ResourceSet& set, absl::Time now) {
  const std::string temporary = absl::StrCat(folder_, "/", kTemporary);
  if (absl::Status written = WriteDurably(temporary, EncodeSavedConfig(set, now)); !written.ok()) return written;
  const std::string current = absl::StrCat(folder_, "/", kCurrent);
  // Between the two renames there is only the older generation, which Load
  // takes then.
  const std::string older = absl::StrCat(folder_, "/", kOlder);
  if (rename(current.c_str(), older.c_str()) != 0 && errno != ENOENT) return Errno(current);
  if (rename(temporary.c_str(), current.c_str()) != 0) return Errno(current);
  // Without this a power loss may undo the renames.
  return fsync(folder_fd_) == 0 ? absl::OkStatus() : Errno(folder_);
}

}  // namespace sluice
