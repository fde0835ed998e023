// edit: one resource in an editor. What others change meanwhile is merged; text
// with errors comes back with them on top; nothing that was typed is lost.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "controlplane/ctl/await.h"
#include "controlplane/ctl/change_text.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/policy_input.h"
#include "controlplane/ctl/three_way.h"
#include "proto/policy/kinds.h"
#include "proto/policy/yaml_comments.h"
#include "proto/policy/yaml_printer.h"

namespace sluice::ctl {
namespace {

// Lines of ours in the text, which are taken out again.
constexpr char kNote[] = "#! ";

std::string TextOf(const v1::Resource& resource) { return PrintPolicyYaml(resource, {.comments = true}); }

std::string WithoutNotes(const std::string& text) {
  std::string kept;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, "#!")) absl::StrAppend(&kept, line, "\n");
  }
  // StrSplit sees an empty line behind the last one's end.
  if (!kept.empty()) kept.pop_back();
  return kept;
}

// A file that only its owner may read, which stays when all is not well.
class EditedFile {
 public:
  ~EditedFile() {
    if (!path_.empty() && !kept_) unlink(path_.c_str());
  }

  // "" or why it could not be written.
  std::string Write(const Environment& environment, const std::string& text) {
    if (path_.empty()) {
      const char* folder = environment("TMPDIR");
      const bool told = folder != nullptr && *folder != '\0';
      std::string pattern = absl::StrCat(told ? folder : "/tmp", "/sluicectl-edit-XXXXXX.yaml");
      const int fd = mkostemps(pattern.data(), sizeof(".yaml") - 1, O_CLOEXEC);
      if (fd < 0) return absl::StrCat("cannot write ", pattern, ": ", std::strerror(errno));
      close(fd);
      path_ = pattern;
    }
    std::ofstream file(path_, std::ios::binary | std::ios::trunc);
    file << text << std::flush;
    return file ? "" : absl::StrCat("cannot write ", path_, ": ", std::strerror(errno));
  }

  std::string Read() const {
    std::ifstream file(path_, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  void Keep() { kept_ = true; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool kept_ = false;
};

std::string EditorOf(const Environment& environment) {
  for (const char* name : {"VISUAL", "EDITOR"}) {
    const char* editor = environment(name);
    if (editor != nullptr && *editor != '\0') return editor;
  }
  return "vi";
}

// "" or how it ended. The command may have options of its own.
std::string RunEditor(const std::string& editor, const std::string& path) {
  const std::string command = absl::StrCat(editor, " \"$1\"");
  const pid_t child = fork();
  if (child < 0) return absl::StrCat("cannot be started: ", std::strerror(errno));
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", command.c_str(), "sh", path.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) return absl::StrCat("was ended by signal ", WTERMSIG(status));
  const int code = WEXITSTATUS(status);
  if (code == 0) return "";
  // How a shell tells of what it could not start, and of signals.
  if (code == 127) return "is not there";
  return code > 128 ? absl::StrCat("was ended by signal ", code - 128) : absl::StrCat("ended with ", code);
}

class Edit {
 public:
  Edit(Session& session, const v1::ResourceRef& ref) : session_(session), ref_(ref) {}

  ExitCode Run() {
    if (const ExitCode code = Fetch(base_); code != ExitCode::kOk) return code;
    text_ = TextOf(base_);
    while (true) {
      const std::string shown = notes_ + text_;
      const std::string unwritten = file_.Write(session_.environment(), shown);
      if (!unwritten.empty()) return Lose(unwritten);
      const std::string editor = EditorOf(session_.environment());
      if (const std::string trouble = RunEditor(editor, file_.path()); !trouble.empty()) {
        return Lose(absl::StrCat("the editor (", editor, ") ", trouble));
      }
      const std::string edited = file_.Read();
      // Closed as it was opened.
      if (edited == shown) return notes_.empty() ? NothingChanged() : Lose("it was closed as it was shown", shown_for_);
      text_ = WithoutNotes(edited);
      if (text_ == TextOf(base_)) return NothingChanged();
      notes_.clear();
      if (const std::optional<ExitCode> code = Try(); code.has_value()) return *code;
    }
  }

 private:
  ExitCode Fetch(v1::Resource& resource) {
    v1::GetRequest request;
    *request.mutable_resource() = ref_;
    v1::GetResponse response;
    const grpc::Status status = session_.Call(&v1::Admin::Stub::Get, request, &response);
    if (!status.ok()) return session_.Fail(status);
    resource = response.resource();
    return ExitCode::kOk;
  }

  ExitCode NothingChanged() {
    session_.out() << ResourceId(base_) << " unchanged\n";
    return ExitCode::kOk;
  }

  // What was typed is kept.
  ExitCode Lose(const std::string& why, ExitCode code = ExitCode::kUnexpected) {
    file_.Keep();
    session_.Fail(code, absl::StrCat("edit: ", why, "; nothing was changed",
                                     file_.path().empty() ? "" : absl::StrCat(", your text is in ", file_.path())));
    return code;
  }

  void Note(const std::string& text) {
    for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      absl::StrAppend(&notes_, kNote, line, "\n");
    }
  }

  // Nothing: there are notes, and the text is to be edited again.
  std::optional<ExitCode> Try() {
    shown_for_ = ExitCode::kInvalidPolicy;
    if (HasMarkers(text_)) {
      Note("Both changes stand between <<<<<<< and >>>>>>>: keep what is right and take the markers out.");
      shown_for_ = ExitCode::kConflict;
      return std::nullopt;
    }
    PolicyInput input = PolicyInput::ReadText(text_, "line");
    const std::vector<const v1::Resource*> resources = input.resources();
    if (input.ok() && (resources.size() != 1 || ResourceId(*resources[0]) != ResourceId(base_))) {
      Note(absl::StrCat("Only ", ResourceId(base_),
                        " is edited here: leave kind and name as they are, and add no other."));
      return std::nullopt;
    }
    if (!input.ok()) return Refused(input);
    v1::ApplyRequest request;
    *request.add_resources() = *resources[0];
    request.mutable_resources(0)->mutable_meta()->set_etag(base_.meta().etag());
    v1::ApplyResponse response;
    const grpc::Status status = session_.Change(&v1::Admin::Stub::Apply, request, &response);
    if (status.error_code() == grpc::StatusCode::ABORTED) return Merge();
    if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) return Refused(input, status);
    if (!status.ok()) {
      const ExitCode code = session_.Fail(status);
      return Lose("the control plane did not take it", code);
    }
    PrintResults(response.changes(), false, session_.out());
    session_.Show(response);
    if (!AnyDifference(response.changes())) return ExitCode::kOk;
    return AwaitRevision(session_, response.revision());
  }

  std::optional<ExitCode> Refused(PolicyInput& input) {
    std::ostringstream errors;
    input.PrintErrors(errors);
    Note("It was not taken. Mend it, or close it as it is to give up:");
    Note(errors.str());
    return std::nullopt;
  }

  std::optional<ExitCode> Refused(PolicyInput& input, const grpc::Status& status) {
    v1::ValidateRequest request;
    *request.add_resources() = *input.resources()[0];
    v1::ValidateResponse response;
    const grpc::Status asked = session_.Call(&v1::Admin::Stub::Validate, request, &response);
    if (asked.ok() && !response.violations().empty()) {
      input.AddViolations(response.violations());
      return Refused(input);
    }
    Note("It was not taken. Mend it, or close it as it is to give up:");
    Note(status.error_message());
    return std::nullopt;
  }

  // Somebody was faster. Nothing: merged, or both are shown.
  std::optional<ExitCode> Merge() {
    v1::Resource now;
    if (const ExitCode code = Fetch(now); code != ExitCode::kOk) {
      return Lose(absl::StrCat(ResourceId(base_), " was changed meanwhile"), code);
    }
    const std::string label = absl::StrCat("in force since revision ", now.meta().revision());
    const MergedText merged = MergeThreeWay(TextOf(base_), text_, TextOf(now), "yours", label);
    base_ = now;
    text_ = merged.text;
    if (merged.conflicts == 0) {
      session_.err() << ResourceId(base_) << " was changed meanwhile (revision " << now.meta().revision()
                     << "); your change was put on top\n";
      return Try();
    }
    Note(absl::StrCat(ResourceId(base_), " was changed meanwhile (revision ", now.meta().revision(),
                      "). Both changes stand between <<<<<<< and >>>>>>>:"));
    Note("keep what is right and take the markers out.");
    shown_for_ = ExitCode::kConflict;
    return std::nullopt;
  }

  Session& session_;
  const v1::ResourceRef ref_;
  // What the text began as, with its etag.
  v1::Resource base_;
  std::string text_;
  // Lines of ours above it, and what it is to end with where they stay.
  std::string notes_;
  ExitCode shown_for_ = ExitCode::kInvalidPolicy;
  EditedFile file_;
};

}  // namespace

void AddEdit(CommandSet& commands) {
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App& app = commands.Add("edit",
                               "Edit one resource in $VISUAL, $EDITOR or vi; comments are kept, what others change "
                               "is merged",
                               "sluicectl edit route/chat\n"
                               "EDITOR=nano sluicectl edit retrypolicy default --reason \"calmer\"",
                               [words](Session& session) {
                                 const std::optional<v1::ResourceRef> ref = ParseRef(*words, session);
                                 return ref.has_value() ? Edit(session, *ref).Run() : ExitCode::kUsage;
                               });
  app.add_option("resource", *words, "KIND/NAME, or KIND NAME")->required()->expected(1, 2);
}

}  // namespace sluice::ctl
