// A host of go-plugin with Porter's handshake, for the tests. It is told what to do by lines of JSON on
// standard input, and says what came of each by a line on standard output. porter.mod builds it on Porter's
// own fork of go-plugin, newest.mod on go-plugin itself with what Porter's has not.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Porter's pkg/plugins and pkg/secrets/plugins have these.
var handshake = plugin.HandshakeConfig{
	ProtocolVersion:  2,
	MagicCookieKey:   "PORTER",
	MagicCookieValue: "bbc2dd71-def4-4311-906e-e98dc27208ce",
}

// The messages of Porter's secrets_protocol.proto, by their fields in order.
var messages = map[string][]string{
	"ResolveRequest":  {"KeyName", "KeyValue"},
	"ResolveResponse": {"Value"},
	"CreateRequest":   {"KeyName", "KeyValue", "Value"},
	"CreateResponse":  {},
}

type command struct {
	Do    string
	Name  string
	Key   string
	Value string
	// How often the value is repeated; 0 is once.
	Times int
}

type answer struct {
	Ms      int64  `json:"ms"`
	Pid     int    `json:"pid,omitempty"`
	Address string `json:"address,omitempty"`
	Value   string `json:"value,omitempty"`
	Code    string `json:"code,omitempty"`
	Error   string `json:"error,omitempty"`
	Stderr  string `json:"stderr,omitempty"`
	Log     string `json:"log,omitempty"`
}

type secrets struct {
	plugin.NetRPCUnsupportedPlugin
}

func (secrets) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func (secrets) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (interface{}, error) {
	return conn, nil
}

// What several goroutines write to.
type buffer struct {
	lock  sync.Mutex
	bytes bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.bytes.Write(p)
}

func (b *buffer) String() string {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.bytes.String()
}

func descriptor(name string) protoreflect.MessageDescriptor {
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("secrets_protocol.proto"), Package: proto.String("plugins"), Syntax: proto.String("proto3"),
	}
	for name, fields := range messages {
		message := &descriptorpb.DescriptorProto{Name: proto.String(name)}
		for index, field := range fields {
			message.Field = append(message.Field, &descriptorpb.FieldDescriptorProto{
				Name: proto.String(field), Number: proto.Int32(int32(index + 1)),
				Type:  descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			})
		}
		file.MessageType = append(file.MessageType, message)
	}
	made, err := protodesc.NewFile(file, nil)
	if err != nil {
		panic(err)
	}
	return made.Messages().ByName(protoreflect.Name(name))
}

func call(conn *grpc.ClientConn, method string, fields ...string) (string, error) {
	asked := dynamicpb.NewMessage(descriptor(method + "Request"))
	for index, field := range fields {
		asked.Set(asked.Descriptor().Fields().Get(index), protoreflect.ValueOfString(field))
	}
	answered := dynamicpb.NewMessage(descriptor(method + "Response"))
	if err := conn.Invoke(context.Background(), "/plugins.SecretsProtocol/"+method, asked, answered); err != nil {
		return "", err
	}
	if fields := answered.Descriptor().Fields(); fields.Len() > 0 {
		return answered.Get(fields.Get(0)).String(), nil
	}
	return "", nil
}

// Connects as somebody who is not the host: with no certificate, or with one that nobody knows.
func dial(path string, encrypted bool) {
	conn, err := net.Dial("unix", path)
	if err == nil && encrypted {
		conn = tls.Client(conn, &tls.Config{
			Certificates: []tls.Certificate{stranger()}, InsecureSkipVerify: true, NextProtos: []string{"h2"},
		})
	}
	if err == nil {
		_, err = conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
	}
	head := make([]byte, 4)
	if err == nil {
		_, err = io.ReadFull(conn, head)
	}
	// The head of the settings that begin HTTP/2.
	if err == nil && head[0] == 0 && head[3] == 4 {
		fmt.Println("answered")
	} else {
		fmt.Println("refused")
	}
}

func stranger() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: key}
}

func main() {
	section := flag.String("section", os.DevNull, "what the plugin has as its standard input")
	mtls := flag.Bool("mtls", false, "automatic mutual TLS")
	multiplexed := flag.Bool("multiplexed", false, "all connections in one")
	dialled := flag.String("dial", "", "only connects to this socket, and says what the other side does")
	flag.Parse()
	if *dialled != "" {
		dial(*dialled, *mtls)
		return
	}

	commands := bufio.NewScanner(os.Stdin)
	var err error
	if os.Stdin, err = os.Open(*section); err != nil {
		panic(err)
	}
	var stderr, log buffer
	config := &plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          map[string]plugin.Plugin{"secrets": secrets{}},
		Cmd:              exec.Command(flag.Arg(0), flag.Args()[1:]...),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC, plugin.ProtocolNetRPC},
		AutoMTLS:         *mtls,
		Stderr:           &stderr,
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &log}),
		StartTimeout:     60 * time.Second,
	}
	if *multiplexed {
		multiplex(config)
	}
	client := plugin.NewClient(config)
	var conn *grpc.ClientConn
	var rpc plugin.ClientProtocol
	for commands.Scan() {
		var asked command
		if err := json.Unmarshal(commands.Bytes(), &asked); err != nil {
			panic(err)
		}
		if asked.Times > 0 {
			asked.Value = strings.Repeat(asked.Value, asked.Times)
		}
		var said answer
		var err error
		begun := time.Now()
		switch asked.Do {
		case "start":
			var address fmt.Stringer
			if address, err = start(client); err == nil {
				said.Address = address.String()
				said.Pid = config.Cmd.Process.Pid
			}
		case "connect":
			var raw interface{}
			if rpc, err = connect(client); err == nil {
				if raw, err = rpc.Dispense("secrets"); err == nil {
					conn = raw.(*grpc.ClientConn)
				}
			}
		case "resolve":
			said.Value, err = call(conn, "Resolve", asked.Name, asked.Key)
		case "create":
			_, err = call(conn, "Create", asked.Name, asked.Key, asked.Value)
		case "ping":
			err = rpc.Ping()
		case "disconnect":
			err = conn.Close()
		case "kill":
			kill(client)
		case "told":
			said.Stderr, said.Log = stderr.String(), log.String()
		default:
			panic(asked.Do)
		}
		said.Ms = time.Since(begun).Milliseconds()
		if err != nil {
			said.Error = err.Error()
			if code := status.Code(err); code != codes.Unknown {
				said.Code = code.String()
			}
		}
		if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
			panic(err)
		}
	}
}
