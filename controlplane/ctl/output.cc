#include "controlplane/ctl/output.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "controlplane/ctl/message_node.h"
#include "proto/policy/policy_tree.h"
#include "proto/terminal/fd_stream.h"
#include "proto/terminal/safe_text.h"

namespace sluice::ctl {
namespace {

struct FormName {
  const char* name;
  Form form;
};

// "text" is what some commands called their table.
constexpr FormName kForms[] = {{"table", Form::kTable}, {"wide", Form::kWide}, {"json", Form::kJson},
                               {"yaml", Form::kYaml},   {"name", Form::kName}, {"text", Form::kTable}};

// The word that scripts compare, and which never changes.
std::string CodeWord(ExitCode code) {
  switch (code) {
    case ExitCode::kOk:
      return "OK";
    case ExitCode::kUsage:
      return "USAGE";
    case ExitCode::kUnreachable:
      return "UNREACHABLE";
    case ExitCode::kNotFound:
      return "NOT_FOUND";
    case ExitCode::kInvalidPolicy:
      return "INVALID_POLICY";
    case ExitCode::kConflict:
      return "CONFLICT";
    case ExitCode::kNodeRefused:
      return "NODE_REFUSED";
    case ExitCode::kNotAcked:
      return "NOT_ACKED";
    case ExitCode::kDifferent:
      return "DIFFERENT";
    case ExitCode::kNotWritten:
      return "NOT_WRITTEN";
    case ExitCode::kFindings:
      return "FINDINGS";
    default:
      return "UNEXPECTED";
  }
}

PolicyNode LinesNode(const std::string& text) {
  PolicyNode list = PolicyNode::List();
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    list.items.push_back(TextNode(std::string(line)));
  }
  return list;
}

PolicyNode FindingNode(const Finding& finding) {
  PolicyNode node = PolicyNode::Map();
  if (!finding.node.empty()) node.Add("node", TextNode(finding.node));
  if (!finding.file.empty()) node.Add("file", TextNode(finding.file));
  if (finding.line > 0) node.Add("line", NumberNode(static_cast<uint64_t>(finding.line)));
  node.Add("resource", TextNode(finding.resource));
  node.Add("path", TextNode(finding.path));
  node.Add("message", TextNode(finding.message));
  return node;
}

}  // namespace

Output::Output(std::ostream& out, std::ostream& err, const std::string& typed)
    : sink_(out), out_(out), err_(err), form_given_(!typed.empty()) {
  // Seen at once, and after what was printed before.
  err_.tie(&out_);
  err_ << std::unitbuf;
  for (const FormName& known : kForms) {
    if (typed == known.name) form_ = known.form;
  }
}

void Output::Show(const google::protobuf::Message& message) {
  if (!structured()) return;
  for (PolicyNode& field : MessageNode(message).items) Show(std::string(field.key), std::move(field));
}

void Output::Show(const std::string& key, PolicyNode value) {
  if (!structured()) return;
  const auto old = std::find_if(document_.items.begin(), document_.items.end(),
                                [&](const PolicyNode& field) { return field.key == key; });
  if (old != document_.items.end()) {
    *old = std::move(value);
    old->key = key;
  } else {
    document_.Add(key, std::move(value));
  }
}

void Output::ShowList(std::vector<PolicyNode> documents) {
  documents_ = std::move(documents);
  has_list_ = true;
}

void Output::ShowOnly(PolicyNode document) { document_ = std::move(document); }

void Output::Name(const std::string& name) {
  has_names_ = true;
  if (form_ == Form::kName) names_.push_back(name);
}

void Output::Error(const std::string& message) {
  if (!structured()) {
    // A line that goes on must not look like one that begins.
    err_ << "sluicectl: " << absl::StrReplaceAll(message, {{"\n", "\n  "}}) << "\n";
  } else if (error_.empty()) {
    error_ = message;
  } else {
    notes_ << message << "\n";
  }
}

void Output::Add(const Finding& finding) {
  if (structured()) {
    findings_.push_back(finding);
  } else {
    err_ << SafeLine(FindingText(finding)) << "\n";
  }
}

void Output::PrintNode(const PolicyNode& node, std::ostream& out) const {
  const bool json = form_ == Form::kJson;
  out << SafeText(json ? JsonText(node) : YamlText(node), json ? EscapeForm::kJson : EscapeForm::kYaml);
}

void Output::PrintDocument() {
  if (form_ == Form::kName) {
    for (const std::string& name : names_) out_ << SafeLine(name) << "\n";
    // A command that names nothing has only its text.
    if (!has_names_) out_ << text_.str();
    return;
  }
  if (has_list_ && form_ == Form::kJson) {
    PolicyNode list = PolicyNode::List();
    list.items = std::move(documents_);
    return PrintNode(list, out_);
  }
  if (!has_list_) {
    if (document_.items.empty() && document_.kind == PolicyNode::Kind::kMap) {
      if (text_.str().empty()) return;
      document_.Add("output", LinesNode(text_.str()));
    }
    documents_ = {std::move(document_)};
  }
  for (const PolicyNode& document : documents_) {
    if (printed_++ > 0 && form_ == Form::kYaml) out_ << "---\n";
    PrintNode(document, out_);
  }
}

void Output::PrintError(ExitCode code) {
  PolicyNode notes = LinesNode(notes_.str());
  PolicyNode document = PolicyNode::Map();
  if (code == ExitCode::kOk || (error_.empty() && findings_.empty() && notes.items.empty())) {
    if (notes.items.empty()) return;
    document.Add("notes", std::move(notes));
    return PrintNode(document, err_);
  }
  // What says most of what went wrong, where nothing was called the error.
  if (error_.empty() && !findings_.empty()) error_ = FindingText(findings_.front());
  if (error_.empty()) {
    error_ = notes.items.front().text;
    notes.items.erase(notes.items.begin());
  }
  PolicyNode error = PolicyNode::Map();
  error.Add("code", TextNode(CodeWord(code)));
  error.Add("exit_code", NumberNode(static_cast<uint64_t>(code)));
  error.Add("message", TextNode(error_));
  PolicyNode violations = PolicyNode::List();
  for (const Finding& finding : findings_) violations.items.push_back(FindingNode(finding));
  error.Add("violations", std::move(violations));
  if (!notes.items.empty()) error.Add("notes", std::move(notes));
  document.Add("error", std::move(error));
  PrintNode(document, err_);
}

ExitCode Output::Finish(ExitCode code) {
  if (!for_people()) PrintDocument();
  if (structured()) PrintError(code);
  out_.flush();
  text_.str("");
  notes_.str("");
  document_ = PolicyNode::Map();
  documents_.clear();
  has_list_ = false;
  names_.clear();
  error_.clear();
  findings_.clear();
  if (out_.good()) {
    err_.flush();
    return code;
  }
  const int error = WriteErrorOf(sink_);
  // Who stopped reading (head) does not want to hear of it.
  if (error == EPIPE) return ExitCode::kBrokenPipe;
  err_ << "sluicectl: cannot write the output" << (error == 0 ? "" : absl::StrCat(": ", strerror(error))) << "\n";
  err_.flush();
  return code == ExitCode::kOk || code == ExitCode::kDifferent ? ExitCode::kNotWritten : code;
}

void AddOutputOption(CLI::App& app, std::string& typed) {
  app.add_option("-o,--output", typed, "Form: table, wide (more columns, nothing cut), json, yaml or name")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name", "text"}).description(""))
      ->type_name("FORM");
}

std::string TypedForm(const std::vector<std::string>& args) {
  std::string typed;
  for (size_t i = 0; i < args.size(); ++i) {
    const bool apart = args[i] == "-o" || args[i] == "--output";
    if (apart && i + 1 < args.size()) typed = args[i + 1];
    if (absl::StartsWith(args[i], "--output=")) typed = args[i].substr(sizeof("--output=") - 1);
    if (absl::StartsWith(args[i], "-o") && args[i].size() > 2) typed = args[i].substr(args[i][2] == '=' ? 3 : 2);
  }
  return typed;
}

std::string FindingText(const Finding& finding) {
  std::string text;
  if (!finding.node.empty()) absl::StrAppend(&text, finding.node, ": ");
  if (!finding.file.empty()) {
    absl::StrAppend(&text, finding.file, finding.line > 0 ? absl::StrCat(":", finding.line) : "", ": ");
  }
  if (!finding.resource.empty()) absl::StrAppend(&text, finding.resource, ": ");
  if (!finding.path.empty()) absl::StrAppend(&text, finding.path, ": ");
  return absl::StrCat(text, finding.message);
}

}  // namespace sluice::ctl
