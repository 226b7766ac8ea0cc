//go:build newest

package main

import (
	"net"

	"github.com/hashicorp/go-plugin"
)

func multiplex(config *plugin.ClientConfig) { config.GRPCBrokerMultiplex = true }

func start(client *plugin.Client) (net.Addr, error) { return client.Start() }

func connect(client *plugin.Client) (plugin.ClientProtocol, error) { return client.Client() }

func kill(client *plugin.Client) { client.Kill() }
