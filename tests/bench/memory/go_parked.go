// Goroutines, all parked on a channel; their stacks begin small and are moved when they grow. Speaks
// with the driver as tests/bench/memory/parked_main.hpp says.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

func main() {
	runtime.GOMAXPROCS(1)
	count := 0
	if len(os.Args) == 2 {
		count, _ = strconv.Atoi(os.Args[1])
	}
	if count < 1 {
		fmt.Fprintln(os.Stderr, "go_parked: needs the number of goroutines to park")
		os.Exit(2)
	}
	input := bufio.NewReader(os.Stdin)
	sayAndWait := func(what int64) {
		fmt.Println(what)
		input.ReadString('\n')
	}

	sayAndWait(0)
	begin := time.Now()
	gate := make(chan struct{})
	waiting := 0
	var group sync.WaitGroup
	group.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			waiting++
			<-gate
			group.Done()
		}()
	}
	for waiting < count {
		runtime.Gosched()
	}
	sayAndWait(time.Since(begin).Nanoseconds())
	close(gate)
	group.Wait()
}
