// The hello of net/http, on one processor.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
)

func hello(writer http.ResponseWriter, _ *http.Request) {
	writer.Header().Set("Content-Type", "text/plain")
	io.WriteString(writer, "hello, world\n")
}

func main() {
	flag.Int("buffer", 8192, "as the other servers have it; not needed here")
	flag.Int("connections", 1100, "the same")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	http.HandleFunc("/", hello)
	log.Fatal(http.Serve(listener, nil))
}
