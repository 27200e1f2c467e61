# Compile and run: goroutines, a server on loopback, a child process.
export GOCACHE=$PWD/cache GOPATH=$PWD/path GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0 GOTMPDIR=$PWD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net"
	"os/exec"
	"sync"
)

func main() {
	var group sync.WaitGroup
	for i := 0; i < 100; i++ {
		group.Add(1)
		go func() { defer group.Done() }()
	}
	group.Wait()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		connection, _ := listener.Accept()
		connection.Write([]byte("hello"))
		connection.Close()
	}()
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	buffer := make([]byte, 5)
	connection.Read(buffer)
	output, err := exec.Command("echo", "-n", string(buffer)).Output()
	if err != nil {
		panic(err)
	}
	fmt.Println(string(output))
}
GO
go mod init hello 2>/dev/null && go build -o hello . && test "$(./hello)" = hello
