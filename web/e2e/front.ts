import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import http2, { type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { IncomingMessage } from "node:http";
import { extname, join, normalize } from "node:path";
import tls, { type TLSSocket } from "node:tls";
import type { Duplex } from "node:stream";

// Stands before a server that does not serve the console itself: the built files beside the server's own /api, on one
// address, under the policy that the console is made for. With HTTP/2, as the server: a page holds several streams.

export const policy = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".json": "application/json",
};

export interface Front {
  url: string;
  /** Breaks every connection to the server and takes no new ones, until it is mended. */
  cut: () => void;
  mend: () => void;
  /** Passes on nothing of what is being uploaded, until it is let go. */
  hold: () => void;
  letGo: () => void;
  stop: () => Promise<void>;
}

/** Serves the console before the server at `server`, with that server's own certificate. */
export async function front(options: { server: string; ca: string; key: string; cert: string; dist: string; port?: number }): Promise<Front> {
  const ca = readFileSync(options.ca);
  let isCut = false;
  let isHeld = false;
  const uploads = new Map<Http2ServerRequest, http2.ClientHttp2Stream>();
  let session: http2.ClientHttp2Session | undefined;
  const toServer = (): http2.ClientHttp2Session => {
    if (session === undefined || session.destroyed || session.closed) {
      session = http2.connect(options.server, { ca });
      session.on("error", () => undefined);
    }
    return session;
  };
  const pass = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    if (isCut) {
      request.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      return;
    }
    const headers: http2.OutgoingHttpHeaders = { ...request.headers, ":authority": new URL(options.server).host };
    if (headers.origin !== undefined) headers.origin = options.server;
    const asked = toServer().request(headers);
    asked.on("response", (answered) => {
      const { ":status": status, ...rest } = answered;
      response.stream.respond({ ":status": status ?? 502, ...rest });
      asked.pipe(response.stream);
    });
    asked.on("error", () => response.stream.destroy());
    // Cut while it was being sent: there is an end, and no error.
    asked.on("close", () => {
      if (!response.stream.headersSent) response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    });
    response.stream.on("close", () => asked.close());
    response.stream.on("error", () => asked.close());
    if (request.method === "PUT") {
      uploads.set(request, asked);
      asked.on("close", () => uploads.delete(request));
    }
    if (request.method !== "PUT" || !isHeld) request.pipe(asked);
  };
  const file = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    const path = normalize(new URL(request.url, "https://console").pathname);
    const wanted = join(options.dist, path);
    const found = existsSync(wanted) && statSync(wanted).isFile() ? wanted : join(options.dist, "index.html");
    response.writeHead(200, { "content-type": types[extname(found)] ?? "application/octet-stream", "content-security-policy": policy });
    createReadStream(found).pipe(response);
  };
  const secure = http2.createSecureServer({ key: readFileSync(options.key), cert: readFileSync(options.cert), allowHTTP1: true }, (request, response) => {
    if (request.url.startsWith("/api/")) pass(request, response);
    else file(request, response);
  });
  // A WebSocket comes on a connection of its own, in HTTP/1.1: passed on byte by byte after its first lines.
  const tunnels = new Set<TLSSocket>();
  secure.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (isCut) {
      socket.destroy();
      return;
    }
    const { host, hostname, port } = new URL(options.server);
    const through = tls.connect({ host: hostname, port: Number(port), ca, ALPNProtocols: ["http/1.1"] }, () => {
      const headers = { ...request.headers, host, ...(request.headers.origin === undefined ? {} : { origin: options.server }) };
      const lines = Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().map((one) => `${name}: ${one}`));
      through.write(`${request.method ?? "GET"} ${request.url ?? "/"} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      through.write(head);
      through.pipe(socket);
      socket.pipe(through);
    });
    tunnels.add(through);
    const end = (): void => {
      tunnels.delete(through);
      through.destroy();
      socket.destroy();
    };
    for (const stream of [through, socket]) stream.on("error", end).on("close", end);
  });
  const sessions = new Set<http2.ServerHttp2Session>();
  secure.on("session", (one) => {
    sessions.add(one);
    one.on("close", () => sessions.delete(one));
    one.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => secure.listen(options.port ?? 0, "127.0.0.1", resolve));
  const bound = secure.address();
  if (bound === null || typeof bound === "string") throw new Error("the front has no port");
  return {
    url: `https://127.0.0.1:${bound.port}`,
    cut: () => {
      isCut = true;
      session?.destroy();
      for (const tunnel of tunnels) tunnel.destroy();
    },
    mend: () => {
      isCut = false;
    },
    hold: () => {
      isHeld = true;
      for (const [request, asked] of uploads) request.unpipe(asked);
    },
    letGo: () => {
      isHeld = false;
      for (const [request, asked] of uploads) request.pipe(asked);
    },
    stop: async () => {
      session?.destroy();
      for (const tunnel of tunnels) tunnel.destroy();
      for (const one of sessions) one.destroy();
      await new Promise<void>((resolve) => secure.close(() => resolve()));
    },
  };
}
