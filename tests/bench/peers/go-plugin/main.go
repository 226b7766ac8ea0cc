// A plugin of go-plugin's, and a host that measures it: one unary call that answers what it was asked, as small as
// they come. It is told what to do by lines on standard input: `calls COUNT` or `start`, and answers with nanoseconds.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BENCH", MagicCookieValue: "1"}

type resolver struct{ plugin.NetRPCUnsupportedPlugin }

func resolve(_ interface{}, ctx context.Context, decode func(interface{}) error, _ grpc.UnaryServerInterceptor) (interface{}, error) {
	asked := new(wrapperspb.StringValue)
	if err := decode(asked); err != nil {
		return nil, err
	}
	return asked, nil
}

func (resolver) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Resolver",
		HandlerType: (*interface{})(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Resolve", Handler: resolve}},
	}, struct{}{})
	return nil
}

func (resolver) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (interface{}, error) {
	return conn, nil
}

var plugins = map[string]plugin.Plugin{"resolver": resolver{}}

func start() (*plugin.Client, *grpc.ClientConn) {
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          plugins,
		Cmd:              exec.Command(os.Args[0], "serve"),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
	})
	protocol, err := client.Client()
	check(err)
	raw, err := protocol.Dispense("resolver")
	check(err)
	return client, raw.(*grpc.ClientConn)
}

func call(conn *grpc.ClientConn) {
	answered := new(wrapperspb.StringValue)
	asked := wrapperspb.String("a value of usual length")
	check(conn.Invoke(context.Background(), "/bench.Resolver/Resolve", asked, answered))
	if answered.Value != asked.Value {
		panic("it answered something else")
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		plugin.Serve(&plugin.ServeConfig{HandshakeConfig: handshake, Plugins: plugins, GRPCServer: plugin.DefaultGRPCServer, Logger: hclog.NewNullLogger()})
		return
	}
	running, conn := start()
	defer running.Kill()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var count int
		if _, err := fmt.Sscanf(lines.Text(), "calls %d", &count); err == nil {
			begun := time.Now()
			for i := 0; i < count; i++ {
				call(conn)
			}
			fmt.Println(time.Since(begun).Nanoseconds())
			continue
		}
		begun := time.Now()
		another, conn := start()
		call(conn)
		taken := time.Since(begun)
		another.Kill()
		fmt.Println(taken.Nanoseconds())
	}
}
