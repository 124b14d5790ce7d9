#!/usr/bin/env python3
"""nginx as the suites http and tls want it: one process that says hello and serves a folder. This
program writes its configuration and becomes it; a child says when it listens."""

import argparse
import os
import resource
import socket
import time
from pathlib import Path

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx-{process}.pid;
error_log stderr error;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  default_type text/plain;
  keepalive_requests 1000000000;
  sendfile on;
  tcp_nopush on;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {file_cache}
  server {{
    listen 127.0.0.1:{port} backlog=4096 {tls};
    location = / {{ return 200 "hello, world\\n"; }}
    location /files/ {{ alias {root}/; }}
  }}
}}
"""
TLS = """ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:sessions:10m"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True, help="for files of its own")
    parser.add_argument("--connections", type=int, default=1100)
    parser.add_argument("--buffer", type=int)
    parser.add_argument("--root", default="/nonexistent")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--file-cache", action="store_true", help="keep files open")
    options = parser.parse_args()

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = options.folder / f"nginx-{os.getpid()}.conf"
    configuration.write_text(CONFIGURATION.format(
        folder=options.folder, process=os.getpid(), root=options.root, port=port,
        # With less than a sixteenth of them free it closes some of those that are idle.
        connections=options.connections * 5 // 4 + 100,
        file_cache="open_file_cache max=1000 inactive=60s;" if options.file_cache else "",
        tls=TLS.format(**vars(options)) if options.certificate else ""), encoding="ascii")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if os.fork() == 0:
        announce(port)
    else:
        os.execvp("nginx", ["nginx", "-c", str(configuration), "-p", str(options.folder)])


def announce(port):
    parent = os.getppid()
    while os.getppid() == parent:  # or else it could not start
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            print("listening", port, flush=True)
            return
        except ConnectionRefusedError:
            time.sleep(0.01)


main()
