// Summary turns the output of `go test -json` into one line per package while it runs, the output of what failed, and a
// table of results that run.sh adds up. It ends with status 1 when a test failed.
//
//	go test -json ./... | summary -results build/test/results.tsv
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

type key struct{ pkg, test string }

func main() {
	results := flag.String("results", "", "file that a line per test is added to: result, name, reason")
	flag.Parse()
	os.Exit(run(*results))
}

func run(results string) int {
	out, err := os.OpenFile(results, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer out.Close()
	output := map[key][]string{}
	parent := map[key]bool{} // tests with subtests count through those
	failed := 0
	counts := map[string]map[string]int{}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Println(in.Text()) // a build error
			continue
		}
		k := key{e.Package, e.Test}
		if counts[e.Package] == nil {
			counts[e.Package] = map[string]int{}
		}
		switch e.Action {
		case "run":
			if i := strings.LastIndexByte(e.Test, '/'); i > 0 {
				parent[key{e.Package, e.Test[:i]}] = true
			}
		case "output", "build-output":
			output[k] = append(output[k], e.Output)
		case "build-fail":
			failed++
		case "pass", "fail", "skip":
			if e.Action == "fail" {
				failed++
				fmt.Printf("--- FAIL: %s %s (%.1f s)\n%s", e.Package, e.Test, e.Elapsed, strings.Join(tail(output[k], 200), ""))
			}
			if e.Test != "" && (!parent[k] || e.Action == "fail") {
				counts[e.Package][e.Action]++
				fmt.Fprintf(out, "%s\t%s %s\t%s\n", e.Action, e.Package, e.Test, reason(e.Action, output[k]))
			}
			if e.Test == "" {
				c := counts[e.Package]
				if e.Action == "fail" && c["fail"] == 0 { // did not build, or panicked outside of a test
					fmt.Fprintf(out, "fail\t%s\tsee above\n", e.Package)
				}
				if c["pass"]+c["fail"]+c["skip"] > 0 {
					fmt.Printf("%-4s %s: %d passed, %d failed, %d skipped (%.1f s)\n", e.Action, e.Package, c["pass"], c["fail"],
						c["skip"], e.Elapsed)
				}
			}
			delete(output, k)
		}
	}
	if in.Err() != nil {
		fmt.Fprintln(os.Stderr, in.Err())
		return 2
	}
	if failed > 0 {
		return 1
	}
	return 0
}

func tail(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }

// reason is what a skipped test said.
func reason(action string, output []string) string {
	if action != "skip" {
		return ""
	}
	for _, line := range output {
		if _, text, ok := strings.Cut(line, ".go:"); ok {
			_, text, _ = strings.Cut(text, ": ")
			return strings.TrimSpace(text)
		}
	}
	return "no reason given"
}
