// The types of gateway.proto, as @grpc/proto-loader gives them with the options in
// lib/gateway.js: TypeScript from the text of the proto, comments included. Knows as
// much of the language as that file uses, and stops at what it does not know.

const SCALARS = {
  string: 'string', bytes: 'Buffer', bool: 'boolean', double: 'number', float: 'number', int32: 'number', int64: 'string',
  'google.protobuf.Duration': 'Duration',
};

const HEAD = `// Generated from proto/sluice/v1/gateway.proto by scripts/declarations.js.

// Seconds are a string, for they are 64 bit.
export interface Duration {
  seconds: string;
  nanos: number;
}

// The one that is set, and its name under the oneof's: what tests the name knows the type.
type OneOf<Name extends string, Members> =
  | { [Set in keyof Members]: { [N in Name]: Set } & OnlyOf<Members, Set> }[keyof Members]
  | ({ [N in Name]?: undefined } & { [Key in keyof Members]?: undefined });
type OnlyOf<Members, Set extends keyof Members> = { [Key in Set]: Members[Key] } & {
  [Key in Exclude<keyof Members, Set>]?: undefined;
};
`;

export function declarations(proto) {
  const enums = new Set([...proto.matchAll(/^enum (\w+)/gm)].map((match) => match[1]));
  const out = [HEAD];
  let comment = [];
  let block = null; // { kind, name, lines, oneofs }
  for (const raw of proto.split('\n')) {
    const line = raw.trim();
    if (line.startsWith('//')) {
      if (!line.includes('buf:lint')) comment.push(line.slice(2).trim());
      continue;
    }
    const opened = line.match(/^(message|enum|service) (\w+) \{(\})?$/);
    if (opened) {
      block = { kind: opened[1], name: opened[2], lines: [], oneofs: [], comment };
      if (opened[3]) block = close(block, out);
    } else if (block && line === '}') {
      if (block.oneof) block.oneof = null;
      else block = close(block, out);
    } else if (block && line) {
      member(line, comment, block, enums);
    }
    comment = [];
  }
  return out.join('\n');
}

function close(block, out) {
  const { kind, name, lines, oneofs } = block;
  if (kind === 'enum') {
    out.push(`${doc(block.comment, '')}export type ${name} =\n${lines.join('\n')};\n`);
  } else if (kind === 'message') {
    const choices = oneofs.map((oneof) => ` & OneOf<'${oneof.name}', {\n${oneof.lines.join('\n')}\n}>`);
    const declared = choices.length ? `type ${name} = {` : `interface ${name} {`;
    out.push(`${doc(block.comment, '')}export ${declared}\n${lines.join('\n')}\n}${choices.join('')}\n`);
  }
  return null;
}

function member(line, comment, block, enums) {
  const oneof = line.match(/^oneof (\w+) \{$/);
  const value = line.match(/^(\w+) = -?\d+;$/);
  const map = line.match(/^map<(\w+), ([\w.]+)> (\w+) = \d+;$/);
  const field = line.match(/^(optional |repeated )?([\w.]+) (\w+) = \d+;$/);
  if (block.kind === 'service' || /^(option|reserved) /.test(line)) return;
  if (oneof) {
    block.oneof = { name: oneof[1], lines: [] };
    block.oneofs.push(block.oneof);
  } else if (block.kind === 'enum' && value) {
    block.lines.push(`${doc(comment, '  ')}  | '${value[1]}'`);
  } else if (map) {
    block.lines.push(`${doc(comment, '  ')}  ${map[3]}: Record<string, ${typeOf(map[2])}>;`);
  } else if (field) {
    const lines = block.oneof?.lines ?? block.lines;
    lines.push(`${doc(comment, '  ')}  ${property(field, block.oneof, enums)};`);
  } else {
    throw new Error(`gateway.proto: what is "${line}"?`);
  }
}

function property([, label, proto, name], oneof, enums) {
  const type = typeOf(proto);
  if (oneof) return `${name}: ${type}`;
  if (label === 'optional ') return `${name}?: ${type}`;
  if (label === 'repeated ') return `${name}: ${type}[]`;
  const isMessage = !enums.has(proto) && (!(proto in SCALARS) || proto.includes('.'));
  return isMessage ? `${name}: ${type} | null` : `${name}: ${type}`;
}

function typeOf(proto) {
  if (proto.includes('.') && !(proto in SCALARS)) throw new Error(`gateway.proto: no type for ${proto}`);
  return SCALARS[proto] ?? proto;
}

function doc(comment, indent) {
  if (comment.length === 0) return '';
  if (comment.length === 1) return `${indent}/** ${comment[0]} */\n`;
  return `${indent}/**\n${comment.map((each) => `${indent} * ${each}`.trimEnd()).join('\n')}\n${indent} */\n`;
}
