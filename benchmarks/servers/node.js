// Node.js as anybody would write it: one write for all that was read at once.
//
//     node node.js SOCKET

"use strict";
const net = require("node:net");

const HEADER = 7;
const VERSION = 2;
const RESPONSE = 2;
const JSON_FORMAT = 1;
const BACKLOG = 1024;

// In milliseconds: it ends even if whoever started it is no more.
const LIFETIME = 3_600_000;

const confirm = (order) => ({
  symbol: order.symbol,
  quantity: order.quantity + 1,
  note: order.note,
});

const answer = (body) => {
  const request = JSON.parse(body);
  const reply = JSON.stringify({
    correlation_id: request.correlation_id,
    success: true,
    payload: confirm(request.payload),
    message_type: "Confirmation",
  });
  const size = Buffer.byteLength(reply);
  const frame = Buffer.allocUnsafe(HEADER + size);
  frame.writeUInt32BE(size, 0);
  frame[4] = VERSION;
  frame[5] = RESPONSE;
  frame[6] = JSON_FORMAT;
  frame.write(reply, HEADER);
  return frame;
};

const server = net.createServer((socket) => {
  let rest = null;
  socket.on("data", (chunk) => {
    const data = rest === null ? chunk : Buffer.concat([rest, chunk]);
    const replies = [];
    let start = 0;
    while (data.length - start >= HEADER) {
      const body = start + HEADER;
      const after = body + data.readUInt32BE(start);
      if (after > data.length) break;
      replies.push(answer(data.toString("utf8", body, after)));
      start = after;
    }
    rest = start < data.length ? data.subarray(start) : null;
    if (replies.length === 1) socket.write(replies[0]);
    else if (replies.length > 1) socket.write(Buffer.concat(replies));
  });
  socket.on("error", () => socket.destroy());
});

server.listen({ path: process.argv[2], backlog: BACKLOG }, () => {
  setTimeout(() => process.exit(1), LIFETIME);
  process.stdout.write("ready\n");
});
