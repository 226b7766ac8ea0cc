//go:build !newest

package main

import (
	"context"
	"net"

	"github.com/hashicorp/go-plugin"
)

func multiplex(*plugin.ClientConfig) { panic("Porter's fork of go-plugin cannot") }

func start(client *plugin.Client) (net.Addr, error) { return client.Start(context.Background()) }

func connect(client *plugin.Client) (plugin.ClientProtocol, error) {
	return client.Client(context.Background())
}

func kill(client *plugin.Client) { client.Kill(context.Background()) }
