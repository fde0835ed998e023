// What a run of sluicectl prints, in the form that -o asks for. A command says
// what there is in every form: Show() for JSON and YAML, Name() for -o name, and
// text() for people. What the form does not want is dropped here, so that a
// command asks for it only where that spares work. One thread.
//
//   session.Show(response);                       // -o json, -o yaml
//   for (...) session.Name("route/chat");         // -o name
//   table.Print(session);                         // -o table, -o wide
//
// Nothing raw reaches a terminal: text() and notes() escape control characters
// and their like (proto/terminal), JSON and YAML escape them in their own way.
// What must stay on its line (a name, a reason) goes through SafeLine() where it
// is put into a line that is no cell of a Table.
#ifndef SLUICE_CONTROLPLANE_CTL_OUTPUT_H_
#define SLUICE_CONTROLPLANE_CTL_OUTPUT_H_

#include <cstddef>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "controlplane/ctl/exit_code.h"
#include "google/protobuf/message.h"
#include "proto/policy/policy_node.h"
#include "proto/terminal/safe_stream.h"

namespace sluice::ctl {

enum class Form { kTable, kWide, kJson, kYaml, kName };

// What is wrong with one place of a policy or a request.
struct Finding {
  std::string file;      // or ""
  int line = 0;          // 0: none
  std::string resource;  // "route/chat", or ""
  std::string path;      // "targets[1].upstream", or ""
  std::string message;
  // Of a data plane that says so, or "".
  std::string node;
};

class Output {
 public:
  // `out` and `err` outlive it. `typed` is -o as it was given, "" where it was not.
  Output(std::ostream& out, std::ostream& err, const std::string& typed);

  Form form() const { return form_; }
  bool form_given() const { return form_given_; }
  // JSON or YAML: errors have their form too.
  bool structured() const { return form_ == Form::kJson || form_ == Form::kYaml; }
  // What text() gets is seen.
  bool for_people() const { return form_ == Form::kTable || form_ == Form::kWide; }

  // For people; dropped where Show() or Name() say it in another form.
  std::ostream& text() { return for_people() ? static_cast<std::ostream&>(out_) : text_; }
  // Standard error; in JSON and YAML lines of the error, or of "notes".
  std::ostream& notes() { return structured() ? static_cast<std::ostream&>(notes_) : err_; }
  // Standard output past all forms: a completion script, a backup, $EDITOR's file.
  std::ostream& raw() { return out_; }

  // The fields of `message`, in the one document that is printed.
  void Show(const google::protobuf::Message& message);
  // One more field of it; a field of the same name is replaced.
  void Show(const std::string& key, PolicyNode value);
  // In place of it: several documents, in JSON a list.
  void ShowList(std::vector<PolicyNode> documents);
  // In place of it: this one.
  void ShowOnly(PolicyNode document);
  void Name(const std::string& name);

  // The error of the run; the first one names it.
  void Error(const std::string& message);
  // One more place of it.
  void Add(const Finding& finding);

  // Prints the document and the error. Called at the end, and after each look of
  // --watch. Not `code`: what was to be printed could not be.
  ExitCode Finish(ExitCode code);

 private:
  void PrintDocument();
  void PrintError(ExitCode code);
  void PrintNode(const PolicyNode& node, std::ostream& out) const;

  std::ostream& sink_;
  SafeStream out_;
  SafeStream err_;
  Form form_ = Form::kTable;
  bool form_given_ = false;
  std::ostringstream text_;
  std::ostringstream notes_;
  PolicyNode document_ = PolicyNode::Map();
  std::vector<PolicyNode> documents_;
  bool has_list_ = false;
  std::vector<std::string> names_;
  bool has_names_ = false;
  std::string error_;
  std::vector<Finding> findings_;
  int printed_ = 0;
};

// -o/--output of one command; `typed` stays "" where it is not given.
void AddOutputOption(CLI::App& app, std::string& typed);

// What -o says in a command line that could not be parsed.
std::string TypedForm(const std::vector<std::string>& args);

// "file.yaml:14: route/chat: targets[1].upstream: …".
std::string FindingText(const Finding& finding);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_OUTPUT_H_
