// What operators do to the switch while calls are up: unload, reload, shut down, and restrict.

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// shutdownLimit is how long the switch may take to end with calls up whose servers do not answer. The module waits 3 s for
// sockets and events, FreeSWITCH itself about as long for its calls and modules.
const shutdownLimit = 15 * time.Second

func operatorCases() []scenario {
	return []scenario{
		{name: "process: unload and load under load", run: func(r *round) {
			r.own("")
			faults := r.witness.end(r.ctx) // its stream would end with the unload
			r.faults = append(r.faults, faults...)
			r.witness = nil
			s := r.agent(agent.Config{Forget: true, Mode: agent.Echo{}})
			var calls []switchtest.Call
			for range 4 {
				c, err := r.sw.Originate(r.ctx, switchtest.CallSpec{Source: &switchtest.Counter{}})
				r.check("originate", err)
				calls = append(calls, c)
			}
			stop := make(chan struct{})
			ended := make(chan struct{})
			go func() { // starts and stops all the time; refused while the module is not there
				defer close(ended)
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					for _, line := range []string{"start " + s.URL("/") + " mono", "stop"} {
						if _, err := r.on(calls[i%len(calls)], line); err != nil {
							r.errorf("%s: %v", line, err)
							return
						}
					}
				}
			}()
			end := time.Now().Add(r.o.churn)
			rounds, threads := 0, 0
			for ; time.Now().Before(end); rounds++ {
				lines := []string{"unload mod_audio_stream", "load mod_audio_stream"}
				if rounds%4 == 3 {
					lines = []string{"reload mod_audio_stream"}
				}
				for _, line := range lines {
					if reply := r.api(line); !strings.Contains(reply, "+OK") {
						r.errorf("round %d, %s: %q", rounds, line, reply)
						end = time.Now()
					}
				}
				if rounds == 5 {
					threads = countThreads(r.sw.Pid())
				}
			}
			close(stop)
			<-ended
			if now := countThreads(r.sw.Pid()); rounds > 6 && now > threads+threadSlack {
				r.errorf("%d threads after %d rounds, %d after 6", now, rounds, threads)
			}
			fmt.Printf("    unload and load: %d times\n", rounds)
			for _, c := range calls {
				r.check("hang up", c.Hangup(r.ctx))
			}
		}},
		{name: "process: shut down during churn", run: func(r *round) {
			r.own("")
			r.witness.abandon()
			r.witness = nil
			m := newMixed(r)
			var over atomic.Bool
			var wg sync.WaitGroup
			for n := range desks / 2 {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(n), 3))
					for !over.Load() {
						// errors are right once the switch goes down
						if err := m.call(rng); err != nil && !over.Load() {
							r.errorf("%v", err)
							return
						}
					}
				})
			}
			r.eventually("calls of every kind are up", func() bool { return m.calls.Load() > 40 })
			over.Store(true)
			began := time.Now()
			_, _ = r.sw.API(r.ctx, "fsctl shutdown") // the reply may be lost with the connection
			select {
			case <-r.sw.Exited():
			case <-time.After(shutdownLimit + hops*machine.since()):
				r.errorf("the switch did not end within %s", shutdownLimit)
			}
			fmt.Printf("    shut down with %d calls made: %s\n", m.calls.Load(), time.Since(began).Round(time.Millisecond))
			if err := r.sw.Close(); err != nil { // not with status 0, or it had to be killed
				r.errorf("%v", err)
			}
			r.ended = true
			wg.Wait()
		}},
		{name: "process: hosts that are not allowed", run: func(r *round) {
			var reached atomic.Int64
			count := func(address string) string {
				var cfg net.ListenConfig
				l, err := cfg.Listen(r.ctx, "tcp", address+":0")
				r.check("listen", err)
				context.AfterFunc(r.ctx, func() { _ = l.Close() })
				go func() {
					for {
						nc, err := l.Accept()
						if err != nil {
							return
						}
						reached.Add(1)
						_ = nc.Close()
					}
				}()
				_, port, err := net.SplitHostPort(l.Addr().String())
				r.check("port", err)
				return port
			}
			r.ownWith("", map[string]string{"allowed-hosts": "127.0.0.1, agent.example.com, *.trusted.example.com"})
			port := count("127.0.0.2")
			c, err := r.newCall(switchtest.CallSpec{})
			r.check("originate", err)
			r.call = c
			for _, host := range []string{"127.0.0.2", "127.0.0.1@127.0.0.2", "agent.example.com:x@127.0.0.2", "[::ffff:127.0.0.2]", "2130706434", "0x7f000002",
				"127.2", "127.0.0.2.", "127.0.0.1.evil.example.com", "agent.example.com.evil.example.com", "trusted.example.com", "eviltrusted.example.com",
				"127.0.0.2#127.0.0.1", "127.0.0.2?127.0.0.1", "localhost", "0", "[::1]"} {
				for _, scheme := range []string{"ws", "wss"} {
					url := scheme + "://" + host + ":" + port + "/"
					if strings.ContainsAny(host, "#?") {
						url = scheme + "://" + strings.NewReplacer("#", ":"+port+"/#", "?", ":"+port+"/?").Replace(host)
					}
					if reply := r.command("start " + url + " mono"); !strings.HasPrefix(reply, "-ERR") {
						r.errorf("%s: %q", url, reply)
						r.command("stop")
					}
				}
			}
			// an allowed server that sends elsewhere is not followed
			r.ok("start " + r.server(httpStatus(302, "Location: ws://127.0.0.2:"+port+"/")) + " mono")
			r.fails(6)
			if n := reached.Load(); n > 0 {
				r.errorf("%d connections to a host that is not allowed", n)
			}
			r.start(r.agent(agent.Config{}), "mono")
			r.ok("stop")
			r.eventually("both streams have ended", func() bool { return len(r.finals()) == 2 })
			r.hangup()
		}},
	}
}
