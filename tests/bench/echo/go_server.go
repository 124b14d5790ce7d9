// The echo server in Go: a goroutine per connection, its buffer its own, all on one processor. Go
// sets TCP_NODELAY and the system's backlog by itself, and raises the limit of descriptors.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"runtime"
)

func echoUntilClosed(connection net.Conn, buffer []byte) {
	defer connection.Close()
	for {
		received, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:received]); err != nil {
			return
		}
	}
}

func main() {
	buffer := flag.Int("buffer", 8192, "bytes asked of one read")
	flag.Int("connections", 1100, "as the other servers have it; not needed here")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go echoUntilClosed(connection, make([]byte, *buffer))
	}
}
