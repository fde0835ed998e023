// Run by npm when the package is packed or installed from a clone: takes the protos
// from there, and writes lib/gateway.d.ts from them. Needs nothing but Node.js, for
// npm installs no dependencies before it. In an installed package all is there.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { declarations } from './declarations.js';

const here = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const SOURCES = {
  'sluice/v1/gateway.proto': '../../proto',
  'google/rpc/status.proto': '../../proto/third',
  'google/rpc/error_details.proto': '../../proto/third',
};

for (const [name, folder] of Object.entries(SOURCES)) {
  const source = path.join(here, folder, name);
  if (!existsSync(source)) continue;
  const copy = path.join(here, 'proto', name);
  mkdirSync(path.dirname(copy), { recursive: true });
  copyFileSync(source, copy);
}
const gateway = readFileSync(path.join(here, 'proto/sluice/v1/gateway.proto'), 'utf8');
writeFileSync(path.join(here, 'lib/gateway.d.ts'), declarations(gateway));
