//go:build node

package main

import (
	"context"

	"github.com/spf13/cobra"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// What a cluster with nodes needs beside its API server; tests of the API alone build without it.
func init() {
	commands["kube-controller-manager"] = manager.NewControllerManagerCommand
	commands["kube-proxy"] = proxy.NewProxyCommand
	commands["kube-scheduler"] = func() *cobra.Command { return scheduler.NewSchedulerCommand() }
	commands["kubelet"] = func() *cobra.Command {
		return kubelet.NewKubeletCommand(context.Background())
	}
}
