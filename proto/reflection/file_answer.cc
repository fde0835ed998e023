#include "proto/reflection/file_answer.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/support/status_code_enum.h>

#include <set>
#include <string>

namespace sluice {
namespace {

namespace rpc = grpc::reflection::v1;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;

const DescriptorPool& Pool() { return *DescriptorPool::generated_pool(); }

void Fail(grpc::StatusCode code, std::string message, rpc::ServerReflectionResponse& response) {
  response.mutable_error_response()->set_error_code(code);
  response.mutable_error_response()->set_error_message(std::move(message));
}

// The file, then what it imports: a client can make a pool of one answer.
void AddWithImports(const FileDescriptor& file, std::set<std::string>& seen, rpc::FileDescriptorResponse& out) {
  if (!seen.insert(file.name()).second) return;
  FileDescriptorProto proto;
  file.CopyTo(&proto);
  proto.SerializeToString(out.add_file_descriptor_proto());
  for (int i = 0; i < file.dependency_count(); ++i) AddWithImports(*file.dependency(i), seen, out);
}

void AnswerFile(const FileDescriptor* file, const std::string& asked, rpc::ServerReflectionResponse& response) {
  if (file == nullptr) return Fail(grpc::NOT_FOUND, asked + " is not known here", response);
  std::set<std::string> seen;
  AddWithImports(*file, seen, *response.mutable_file_descriptor_response());
}

void AnswerExtension(const rpc::ExtensionRequest& request, rpc::ServerReflectionResponse& response) {
  const Descriptor* type = Pool().FindMessageTypeByName(request.containing_type());
  const FieldDescriptor* extension =
      type == nullptr ? nullptr : Pool().FindExtensionByNumber(type, request.extension_number());
  AnswerFile(extension == nullptr ? nullptr : extension->file(),
             "extension " + std::to_string(request.extension_number()) + " of " + request.containing_type(), response);
}

void AnswerExtensionNumbers(const std::string& name, rpc::ServerReflectionResponse& response) {
  const Descriptor* type = Pool().FindMessageTypeByName(name);
  if (type == nullptr) return Fail(grpc::NOT_FOUND, name + " is not known here", response);
  std::vector<const FieldDescriptor*> extensions;
  Pool().FindAllExtensions(type, &extensions);
  rpc::ExtensionNumberResponse& answer = *response.mutable_all_extension_numbers_response();
  answer.set_base_type_name(name);
  for (const FieldDescriptor* extension : extensions) answer.add_extension_number(extension->number());
}

}  // namespace

rpc::ServerReflectionResponse AnswerReflection(const rpc::ServerReflectionRequest& request,
                                              const std::vector<std::string>& services) {
  using Request = rpc::ServerReflectionRequest;
  rpc::ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      AnswerFile(Pool().FindFileByName(request.file_by_filename()), request.file_by_filename(), response);
      break;
    case Request::kFileContainingSymbol:
      AnswerFile(Pool().FindFileContainingSymbol(request.file_containing_symbol()), request.file_containing_symbol(),
                 response);
      break;
    case Request::kFileContainingExtension:
      AnswerExtension(request.file_containing_extension(), response);
      break;
    case Request::kAllExtensionNumbersOfType:
      AnswerExtensionNumbers(request.all_extension_numbers_of_type(), response);
      break;
    case Request::kListServices:
      for (const std::string& name : services) response.mutable_list_services_response()->add_service()->set_name(name);
      break;
    case Request::MESSAGE_REQUEST_NOT_SET:
      Fail(grpc::INVALID_ARGUMENT, "nothing is asked for", response);
      break;
  }
  return response;
}

}  // namespace sluice
