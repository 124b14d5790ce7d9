// What it costs in Go to start a goroutine, run it to its end and wait for that, on one processor.
// Takes the options of a program of Google Benchmark and prints its JSON, as far as the suites need
// it. One item is one goroutine; its time is the CPU time of the process, as the garbage collector
// and the scheduler are part of it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

type measurement struct {
	Name           string  `json:"name"`
	RunName        string  `json:"run_name"`
	RunType        string  `json:"run_type"`
	ItemsPerSecond float64 `json:"items_per_second"`
}

// A benchmark spawns and joins count goroutines, and returns how many have run.
type benchmark struct {
	name string
	run  func(count int) int
}

var benchmarks = []benchmark{
	{"spawn/go/channel", joinByChannel},
	{"spawn/go/wait_group", joinByWaitGroup},
}

func joinByChannel(count int) int {
	runs := 0
	done := make(chan struct{})
	for i := 0; i < count; i++ {
		go func() {
			runs++
			done <- struct{}{}
		}()
		<-done
	}
	return runs
}

func joinByWaitGroup(count int) int {
	runs := 0
	var group sync.WaitGroup
	for i := 0; i < count; i++ {
		group.Add(1)
		go func() {
			runs++
			group.Done()
		}()
		group.Wait()
	}
	return runs
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err.Error())
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// timeOf returns the CPU time that count goroutines take.
func (b benchmark) timeOf(count int) time.Duration {
	start := cpuTime()
	if b.run(count) != count {
		fail(b.name + ": a goroutine did not run")
	}
	return cpuTime() - start
}

// countFor returns how many goroutines take at least the given time, which also warms up.
func (b benchmark) countFor(least time.Duration) int {
	count := 1
	for b.timeOf(count) < least {
		count *= 2
	}
	return count
}

func measure(least time.Duration, repetitions int) []measurement {
	measured := []measurement{}
	counts := make([]int, len(benchmarks))
	for i, b := range benchmarks {
		counts[i] = b.countFor(least)
	}
	for ; repetitions > 0; repetitions-- {
		for _, i := range rand.Perm(len(benchmarks)) {
			name, count := benchmarks[i].name, counts[i]
			rate := float64(count) / benchmarks[i].timeOf(count).Seconds()
			measured = append(measured, measurement{name, name, "iteration", rate})
		}
	}
	return measured
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "go_spawn_bench: "+message)
	os.Exit(1)
}

func main() {
	format := flag.String("benchmark_format", "json", "only json")
	seconds := flag.Float64("benchmark_min_time", 0.01, "seconds of each repetition")
	repetitions := flag.Int("benchmark_repetitions", 1, "how often to measure")
	flag.Bool("benchmark_enable_random_interleaving", true, "always so")
	flag.Parse()
	if *format != "json" || *seconds <= 0 || *repetitions < 1 {
		fail("can't do that; --help lists the options")
	}

	runtime.GOMAXPROCS(1)
	rand.Seed(time.Now().UnixNano())
	least := time.Duration(*seconds * float64(time.Second))
	output := map[string][]measurement{"benchmarks": measure(least, *repetitions)}
	if err := json.NewEncoder(os.Stdout).Encode(output); err != nil {
		fail(err.Error())
	}
}
