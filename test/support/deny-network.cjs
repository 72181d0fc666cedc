// Loaded with --require: refuses every connection but those to the ports of ALLOWED_PORTS and to Unix sockets of
// PostgreSQL, and writes each refused one to DENIED_FILE. Worker threads load it too, since they inherit execArgv.
'use strict';
const { appendFileSync } = require('node:fs');
const { Socket: DatagramSocket } = require('node:dgram');
const { Socket } = require('node:net');

const allowedPorts = new Set((process.env.ALLOWED_PORTS ?? '').split(',').filter(Boolean).map(Number));
const deny = (what) => {
  appendFileSync(process.env.DENIED_FILE, `${what}\n`);
  return new Error(`the test allows no connection to ${what}`);
};

const connect = Socket.prototype.connect;
Socket.prototype.connect = function (...args) {
  const [first] = Array.isArray(args[0]) ? args[0] : args;
  const target = typeof first === 'object' ? first : { [/^\d+$/.test(first) ? 'port' : 'path']: first };
  const isAllowed = target.path
    ? /\.s\.PGSQL\.\d+$/.test(target.path)
    : allowedPorts.has(Number(target.port));
  if (isAllowed) return connect.apply(this, args);
  const error = deny(target.path ?? `${target.host}:${target.port}`);
  process.nextTick(() => this.destroy(error));
  return this;
};
DatagramSocket.prototype.send = function () {
  throw deny('a datagram');
};
