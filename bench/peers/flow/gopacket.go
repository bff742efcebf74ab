// gopacket's reassembly over a pcap file (microseconds, low byte first): both directions of every TCP connection put
// together and handed to a stream that counts. Layers are decoded into the same objects for every packet, which is the
// fastest way that gopacket has.
//
//	gopacket FILE verify|trust FLOWS_AT_ONCE
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/reassembly"
)

const bufferBytes = 1 << 20

var streamBytes, flows uint64

type stream struct{}

func (*stream) Accept(tcp *layers.TCP, info gopacket.CaptureInfo, direction reassembly.TCPFlowDirection,
	next reassembly.Sequence, start *bool, context reassembly.AssemblerContext) bool {
	return true
}

func (*stream) ReassembledSG(scattered reassembly.ScatterGather, context reassembly.AssemblerContext) {
	length, saved := scattered.Lengths()
	streamBytes += uint64(length - saved)
}

// The connection goes at its end, so that its addresses and ports can come again.
func (*stream) ReassemblyComplete(context reassembly.AssemblerContext) bool { return true }

type factory struct{ only stream }

func (made *factory) New(network, transport gopacket.Flow, tcp *layers.TCP, context reassembly.AssemblerContext) reassembly.Stream {
	// A last acknowledgement behind both ends makes a connection again, which is no new flow.
	if tcp.SYN {
		flows++
	}
	return &made.only
}

type captureContext struct{ info gopacket.CaptureInfo }

func (context *captureContext) GetCaptureInfo() gopacket.CaptureInfo { return context.info }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func usage() syscall.Rusage {
	var used syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return used
}

func seconds(value syscall.Timeval) float64 { return float64(value.Sec) + float64(value.Usec)/1e6 }

func residentBytes() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	must(err)
	var size, resident uint64
	_, err = fmt.Fscan(bytes.NewReader(text), &size, &resident)
	must(err)
	return resident * uint64(os.Getpagesize())
}

// Reads packets in large pieces; their bytes are good until the next call.
type capture struct {
	file   *os.File
	buffer []byte
	at     int
	end    int
	read   int64
}

func (reader *capture) need(count int) bool {
	for reader.end-reader.at < count {
		copy(reader.buffer, reader.buffer[reader.at:reader.end])
		reader.end -= reader.at
		reader.at = 0
		got, err := reader.file.Read(reader.buffer[reader.end:])
		if err == io.EOF {
			return false
		}
		must(err)
		reader.end += got
		reader.read += int64(got)
	}
	return true
}

func main() {
	if len(os.Args) != 4 {
		os.Exit(2)
	}
	verifies := os.Args[2] == "verify"
	file, err := os.Open(os.Args[1])
	must(err)
	status, err := file.Stat()
	must(err)
	reader := &capture{file: file, buffer: make([]byte, bufferBytes)}
	if !reader.need(24) || binary.LittleEndian.Uint32(reader.buffer) != 0xa1b2c3d4 {
		must(fmt.Errorf("%s: not a pcap file with the low byte first, in microseconds", os.Args[1]))
	}
	reader.at = 24

	assembler := reassembly.NewAssembler(reassembly.NewStreamPool(&factory{}))
	var ethernet layers.Ethernet
	var vlan layers.Dot1Q
	var ip4 layers.IPv4
	var ip6 layers.IPv6
	var tcp layers.TCP
	var payload gopacket.Payload
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &ethernet, &vlan, &ip4, &ip6, &tcp, &payload)
	parser.IgnoreUnsupported = true
	decoded := make([]gopacket.LayerType, 0, 8)
	context := &captureContext{}
	var packets, halfBytes uint64

	startBytes := residentBytes()
	before := usage()
	for reader.need(16) {
		header := reader.buffer[reader.at:]
		captured := int(binary.LittleEndian.Uint32(header[8:]))
		if !reader.need(16 + captured) {
			break
		}
		header = reader.buffer[reader.at:]
		data := header[16 : 16+captured]
		reader.at += 16 + captured
		packets++
		if halfBytes == 0 && reader.read*2 >= status.Size() {
			halfBytes = residentBytes()
		}
		if parser.DecodeLayers(data, &decoded) != nil || len(decoded) < 3 {
			continue
		}
		network := gopacket.NetworkLayer(nil)
		isTcp := false
		for _, kind := range decoded {
			switch kind {
			case layers.LayerTypeIPv4:
				network = &ip4
			case layers.LayerTypeIPv6:
				network = &ip6
			case layers.LayerTypeTCP:
				isTcp = true
			}
		}
		if !isTcp || network == nil {
			continue
		}
		if verifies {
			must(tcp.SetNetworkLayerForChecksum(network))
			if sum, err := tcp.ComputeChecksum(); err != nil || sum != 0 {
				continue
			}
		}
		context.info.Timestamp = time.Unix(int64(binary.LittleEndian.Uint32(header)), int64(binary.LittleEndian.Uint32(header[4:]))*1000)
		context.info.CaptureLength = captured
		context.info.Length = captured
		assembler.AssembleWithContext(network.NetworkFlow(), &tcp, context)
	}
	after := usage()
	endBytes := residentBytes()
	user := seconds(after.Utime) - seconds(before.Utime)
	system := seconds(after.Stime) - seconds(before.Stime)
	fmt.Printf("{\"packets\":%d,\"bytes\":%d,\"flows\":%d,\"seconds\":%.6f,\"systemSeconds\":%.6f,", packets, streamBytes, flows, user+system, system)
	fmt.Printf("\"maxRssBytes\":%d,\"rssStartBytes\":%d,\"rssHalfBytes\":%d,\"rssEndBytes\":%d}\n", usage().Maxrss*1024, startBytes, halfBytes, endBytes)
}
