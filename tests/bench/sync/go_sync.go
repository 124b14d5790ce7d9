// The cases of the suite sync in Go, on one processor, but for those that say "two". Takes and
// prints what tests/bench/sync/sync_main.hpp says; the coroutines that are alive are counted only if
// a third argument says "live", as that takes its time.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	room     = 128
	rivals   = 10
	children = 10
)

// A benchmark does count operations, after a warm-up.
type benchmark struct {
	processors int
	warmUp     share
	run        func(count int)
}

// share says how much of count a warm-up does.
type share int

const (
	none share = iota
	tenth
	all
)

var benchmarks = map[string]benchmark{
	"channel":                 {1, tenth, func(count int) { channel(count, func() {}) }},
	"across_two_locked":       {2, tenth, func(count int) { channel(count, runtime.LockOSThread) }},
	"across_two":              {2, tenth, func(count int) { channel(count, func() {}) }},
	"buffered":                {1, tenth, buffered},
	"select":                  {1, tenth, selectOfFour},
	"mutex":                   {1, tenth, mutex},
	"contended":               {1, tenth, func(count int) { contend(count, true) }},
	"contended_no_yield":      {1, tenth, func(count int) { contend(count, false) }},
	"depth_first":             {1, none, func(count int) { grow(count, depthFirst, 0) }},
	"depth_first_two":         {2, none, func(count int) { grow(count, depthFirst, 0) }},
	"depth_first_again":       {1, all, func(count int) { grow(count, depthFirst, 0) }},
	"depth_first_again_two":   {2, all, func(count int) { grow(count, depthFirst, 0) }},
	"breadth_first":           {1, none, func(count int) { grow(count, breadthFirst, 0) }},
	"breadth_first_two":       {2, none, func(count int) { grow(count, breadthFirst, 0) }},
	"breadth_first_room":      {1, none, func(count int) { grow(count, breadthFirst, children) }},
	"breadth_first_room_two":  {2, none, func(count int) { grow(count, breadthFirst, children) }},
	"breadth_first_again":     {1, all, func(count int) { grow(count, breadthFirst, 0) }},
	"breadth_first_again_two": {2, all, func(count int) { grow(count, breadthFirst, 0) }},
}

func check(isRight bool, what string) {
	if !isRight {
		fmt.Fprintln(os.Stderr, "go_sync: "+what)
		os.Exit(1)
	}
}

// runAll returns when the functions have, each in a goroutine.
func runAll(functions ...func()) {
	var group sync.WaitGroup
	for _, function := range functions {
		function := function
		group.Add(1)
		go func() {
			defer group.Done()
			function()
		}()
	}
	group.Wait()
}

// channel calls prepare in both goroutines.
func channel(count int, prepare func()) {
	ping := make(chan int)
	pong := make(chan int)
	runAll(func() {
		prepare()
		for i := 0; i < count; i++ {
			ping <- i
			check(<-pong == i+1, "a wrong answer")
		}
		close(ping)
	}, func() {
		prepare()
		for value := range ping {
			pong <- value + 1
		}
	})
}

func buffered(count int) {
	items := make(chan int, room)
	received := 0
	runAll(func() {
		for i := 0; i < count; i++ {
			items <- i
		}
		close(items)
	}, func() {
		for item := range items {
			check(item == received, "a wrong item")
			received++
		}
	})
	check(received == count, "items were lost")
}

func selectOfFour(count int) {
	var channels [4]chan int
	for i := range channels {
		channels[i] = make(chan int)
	}
	sum := 0
	runAll(func() {
		for i := 0; i < count; i++ {
			channels[i%4] <- i
		}
	}, func() {
		for i := 0; i < count; i++ {
			select {
			case item := <-channels[0]:
				sum += item
			case item := <-channels[1]:
				sum += item
			case item := <-channels[2]:
				sum += item
			case item := <-channels[3]:
				sum += item
			}
		}
	})
	check(sum == count*(count-1)/2, "a wrong sum")
}

func mutex(count int) {
	var lock sync.Mutex
	total := 0
	runAll(func() {
		for i := 0; i < count; i++ {
			lock.Lock()
			total++
			lock.Unlock()
		}
	})
	check(total == count, "a wrong total")
}

func contend(count int, yields bool) {
	var lock sync.Mutex
	total := 0
	compete := func() {
		for i := 0; i < count/rivals; i++ {
			lock.Lock()
			total++
			if yields {
				runtime.Gosched()
			}
			lock.Unlock()
		}
	}
	competitors := make([]func(), rivals)
	for i := range competitors {
		competitors[i] = compete
	}
	runAll(competitors...)
	check(total == count/rivals*rivals, "a wrong total")
}

var treeRoom int // of the channel from a node's children

// A node of the tree sends its sum to its parent.
type node func(parent chan<- int, number int, size int)

func depthFirst(parent chan<- int, number int, size int) {
	if size == 1 {
		parent <- number
		return
	}
	sums := make(chan int, treeRoom)
	sum := 0
	share := size / children
	for i := 0; i < children; i++ {
		start(depthFirst, sums, number+i*share, share)
		sum += <-sums
	}
	parent <- sum
}

func breadthFirst(parent chan<- int, number int, size int) {
	if size == 1 {
		parent <- number
		return
	}
	sums := make(chan int, treeRoom)
	sum := 0
	share := size / children
	for i := 0; i < children; i++ {
		start(breadthFirst, sums, number+i*share, share)
	}
	for i := 0; i < children; i++ {
		sum += <-sums
	}
	parent <- sum
}

var (
	counts   bool // whether the next two are kept
	live     int64
	peakLive int64
)

func start(be node, parent chan<- int, number int, size int) {
	if !counts {
		go be(parent, number, size)
		return
	}
	now := atomic.AddInt64(&live, 1)
	for {
		peak := atomic.LoadInt64(&peakLive)
		if now <= peak || atomic.CompareAndSwapInt64(&peakLive, peak, now) {
			break
		}
	}
	go func() {
		be(parent, number, size)
		atomic.AddInt64(&live, -1)
	}()
}

func grow(leaves int, be node, room int) {
	treeRoom = room
	result := make(chan int)
	start(be, result, 0, leaves)
	check(<-result == leaves*(leaves-1)/2, "a wrong sum")
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil, "getrusage")
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func peakKiB() int {
	status, err := os.ReadFile("/proc/self/status")
	check(err == nil, "/proc/self/status")
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	check(err == nil, "/proc/self/status")
	return kib
}

func main() {
	count := 0
	var chosen benchmark
	if len(os.Args) > 2 {
		chosen = benchmarks[os.Args[1]]
		count, _ = strconv.Atoi(os.Args[2])
		counts = len(os.Args) > 3 && os.Args[3] == "live"
	}
	if chosen.run == nil || count < 1 {
		fmt.Fprint(os.Stderr, "usage: go_sync CASE COUNT [live]; cases:")
		for name := range benchmarks {
			fmt.Fprint(os.Stderr, " "+name)
		}
		fmt.Fprintln(os.Stderr)
		os.Exit(2)
	}
	runtime.GOMAXPROCS(chosen.processors)
	switch chosen.warmUp {
	case tenth:
		chosen.run(count/10 + 1)
	case all:
		chosen.run(count)
	}
	cpuBefore, wallBefore := cpuTime(), time.Now()
	chosen.run(count)
	wall, cpu := time.Since(wallBefore), cpuTime()-cpuBefore
	perOperation := func(spent time.Duration) float64 {
		return float64(spent.Nanoseconds()) / float64(count)
	}
	fmt.Printf("%.3f %.3f %d %d\n", perOperation(wall), perOperation(cpu), peakLive, peakKiB())
}
