// Stores in files as tests need them: made, changed behind their back, copied.
#ifndef SLUICE_TESTS_CONTROLPLANE_STORE_TOOLS_H_
#define SLUICE_TESTS_CONTROLPLANE_STORE_TOOLS_H_

#include <string>

#include "controlplane/store/store.h"

namespace sluice {

// A store with that many revisions, each a new upstream "u0", "u1", …; closed.
// Returns its epoch.
std::string MakeStore(const std::string& path, int revisions);

// Commits one upstream; expects success.
void PutUpstream(Store& store, const std::string& name);

// A copy as a backup makes it.
void WriteCopy(Store& store, const std::string& path);

// With a connection of its own, as a tool would; makes the file if need be.
void Sql(const std::string& path, const std::string& statements);

std::string ReadAll(const std::string& path);

}  // namespace sluice

#endif  // SLUICE_TESTS_CONTROLPLANE_STORE_TOOLS_H_
