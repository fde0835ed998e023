// Asks about an image: node image.mjs FILE [QUESTION]
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { collect } from './collector.mjs';
import { model, printEnd, question, run, show, timeoutMs } from './common.mjs';
import { ChatRequestSchema, Role } from './gen/sluice/v1/gateway_pb.js';

const TYPES = { '.gif': 'image/gif', '.jpeg': 'image/jpeg', '.jpg': 'image/jpeg', '.webp': 'image/webp' };

await run(async (client) => {
  const file = process.argv[2];
  if (file === undefined) throw new Error('usage: image.mjs FILE [QUESTION]');
  const media = {
    mimeType: TYPES[path.extname(file)] ?? 'image/png',
    // An image on the web: { case: 'url', value: 'https://...' } in place of data.
    source: { case: 'data', value: await readFile(file) },
  };
  const parts = [
    { kind: { case: 'text', value: question('What is in this image?', 1) } },
    { kind: { case: 'media', value: media } },
  ];
  const request = create(ChatRequestSchema, { model, messages: [{ role: Role.USER, parts }] });
  const answer = await collect(client.streamChat(request, { timeoutMs }), show);
  console.log();
  printEnd(answer.end, answer.text());
});
