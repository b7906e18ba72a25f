// SPDX-License-Identifier: GPL-2.0
/* Makes frames and redirects them to an interface: BPF_PROG_TEST_RUN with live frames runs a program once per
 * frame.
 *
 * The kernel hands out pages that earlier frames used, and the receiver's stack may have written to them:
 * headers are written whole each time. Payloads beyond the stamp are zeros, which no checksum notices
 * whatever their length.
 */
#include "kernel.h"
#include "traffic.h"

const volatile struct traffic_plan plan = {};

struct traffic_state state = {};

/* Where the last frame was made. Apart from the state, which changes with every frame: other streams'
 * interfaces ask for it on their CPUs (see ours). */
__u32 made_on SEC(".bss.made_on");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TRAFFIC_SLOTS);
	__type(key, __u32);
	__type(value, struct traffic_slot);
} traffic_slots SEC(".maps");

/* Where frames go. An index would do, but costs a look into a table of interfaces for each frame. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} traffic_port SEC(".maps");

static __always_inline __u32 halves(__u32 word)
{
	return (word >> 16) + (word & 0xffff);
}

static __always_inline __u16 folded(__u32 sum)
{
	sum = halves(sum);
	sum = halves(sum);
	return ~sum;
}

/* SplitMix64: any number of a sequence without the ones before it. */
static __always_inline __u64 scrambled(__u64 number)
{
	__u64 mixed = plan.seed + (number + 1) * 0x9e3779b97f4a7c15ULL;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
	return mixed ^ (mixed >> 31);
}

static __always_inline __u32 below(__u32 random, __u32 count)
{
	return (__u64)random * count >> 32;
}

static __always_inline __u32 size_of(__u64 number, __u64 random)
{
	__u32 at;

	if (plan.size_span > 1)
		return plan.sizes[0] +
		       (plan.random ? below(random, plan.size_span) : (__u32)(number % plan.size_span));
	if (plan.size_count <= 1)
		return plan.sizes[0];
	at = plan.random ? below(random, plan.size_count) : (__u32)(number % plan.size_count);
	return plan.sizes[at & (TRAFFIC_SIZES - 1)];
}

static __always_inline __u32 taken(const volatile struct traffic_range *range, __u32 *flow)
{
	__u32 value = range->first;

	if (range->count > 1) {
		value += *flow % range->count;
		*flow /= range->count;
	}
	return value;
}

static __always_inline void write_16(void *data, __u32 at, __u16 value)
{
	*(__be16 *)(data + at) = bpf_htons(value);
}

static __always_inline void write_32(void *data, __u32 at, __u32 value)
{
	*(__be32 *)(data + at) = bpf_htonl(value);
}

static __always_inline __u32 write_stamp(void *data)
{
	struct traffic_stamp *stamp = data + plan.at.stamp;
	__u64 sequence = state.offered, now = bpf_ktime_get_ns() + plan.clock_offset_ns;

	stamp->magic = bpf_htonl(TRAFFIC_STAMP_MAGIC);
	stamp->stream = bpf_htonl(plan.stream);
	stamp->sequence = bpf_cpu_to_be64(sequence);
	stamp->time_ns = bpf_cpu_to_be64(now);
	return halves(TRAFFIC_STAMP_MAGIC) + halves(plan.stream) + halves(sequence >> 32) + halves(sequence) +
	       halves(now >> 32) + halves(now);
}

/* The fields that differ between frames, and the checksums over them. The frame has room for header and
 * stamp. */
static __always_inline void write_fields(void *data, __u32 size, __u64 number, __u32 flow)
{
	__u32 length = size - plan.transport_at, addresses = 0, ip = plan.ip_sum, sum = plan.transport_sum,
	      value;

	if (plan.at.source_port) {
		value = taken(&plan.source_port, &flow);
		write_16(data, plan.at.source_port, value);
		sum += value;
	}
	if (plan.at.destination_port) {
		value = taken(&plan.destination_port, &flow);
		write_16(data, plan.at.destination_port, value);
		sum += value;
	}
	if (plan.at.source) {
		value = taken(&plan.source, &flow);
		write_32(data, plan.at.source, value);
		addresses += halves(value);
	}
	if (plan.at.destination) {
		value = taken(&plan.destination, &flow);
		write_32(data, plan.at.destination, value);
		addresses += halves(value);
	}
	if (plan.at.total_length) {
		write_16(data, plan.at.total_length, length + plan.ip_header);
		ip += length + plan.ip_header;
		if (plan.covers_ip)
			sum += length;
	}
	if (plan.at.ip_checksum)
		write_16(data, plan.at.ip_checksum, folded(ip + addresses));
	if (plan.covers_ip)
		sum += addresses;
	if (plan.at.udp_length) {
		write_16(data, plan.at.udp_length, length);
		sum += length;
	}
	if (plan.at.echo_sequence) {
		write_16(data, plan.at.echo_sequence, number);
		sum += number & 0xffff;
	}
	if (plan.at.stamp)
		sum += write_stamp(data);
	if (plan.at.checksum) {
		sum = folded(sum);
		write_16(data, plan.at.checksum, plan.is_udp && !sum ? 0xffff : sum);
	}
}

/* Counts a frame and sends it. Where the interface was deleted or moved to another namespace, its entry in
 * the map has gone with it (dev_map_notification in kernel/bpf/devmap.c), and no tracepoint tells of the
 * frame. */
static __always_inline int offer(__u32 size)
{
	__u32 cpu = bpf_get_smp_processor_id();

	if (made_on != cpu)
		made_on = cpu;
	state.offered++;
	state.bytes += size;
	if (bpf_redirect_map(&traffic_port, 0, 0) != XDP_REDIRECT) {
		state.refused++;
		state.error = TRAFFIC_GONE;
		return XDP_DROP;
	}
	state.queued++;
	return XDP_REDIRECT;
}

SEC("xdp")
int traffic_craft(struct xdp_md *ctx)
{
	__u64 number = state.offered * plan.streams + plan.stream;
	__u64 random = plan.random ? scrambled(number) : 0;
	__u32 size = size_of(number, random), room = plan.header_bytes, flow = 0;
	void *data, *end;

	if (size != plan.largest && bpf_xdp_adjust_tail(ctx, (int)size - (int)plan.largest))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (plan.at.stamp)
		room = plan.at.stamp + sizeof(struct traffic_stamp);
	/* Constants to the verifier, as all of the plan: it unrolls the copy and leaves out what does not
	 * apply. */
	if (data + room > end)
		return XDP_ABORTED;
	for (int i = 0; i < TRAFFIC_HEADER_WORDS; i++) {
		if (8 * i + 8 <= plan.header_bytes)
			*(__u64 *)(data + 8 * i) = plan.header[i];
		else if (8 * i < plan.header_bytes)
			for (int j = 0; j < 3 && 8 * i + 2 * j < plan.header_bytes; j++)
				*(__u16 *)(data + 8 * i + 2 * j) =
					((const volatile __u16 *)&plan.header[i])[j];
	}
	if (plan.flows > 1)
		flow = plan.random ? below(random >> 32, plan.flows) : (__u32)(number % plan.flows);
	write_fields(data, size, number, flow);
	return offer(size);
}

SEC("xdp")
int traffic_replay(struct xdp_md *ctx)
{
	__u32 at = state.offered & (TRAFFIC_SLOTS - 1), size;
	struct traffic_slot *slot = bpf_map_lookup_elem(&traffic_slots, &at);

	if (!slot)
		return XDP_ABORTED;
	size = slot->length;
	if (size < 14 || size > TRAFFIC_SLOT_BYTES)
		return XDP_ABORTED;
	if (size != plan.largest && bpf_xdp_adjust_tail(ctx, (int)size - (int)plan.largest))
		return XDP_ABORTED;
	if (bpf_xdp_store_bytes(ctx, 0, slot->bytes, size))
		return XDP_ABORTED;
	return offer(size);
}

/* Whether frames that leave this loopback are ours. Interrupts' own work waits while a pass makes frames and
 * gives them to the interface, so on its CPU nobody else's frames leave as long as some of ours are queued.
 */
static __always_inline int ours(const struct net_device *from)
{
	return made_on == bpf_get_smp_processor_id() && state.queued && from->ifindex == 1;
}

static __always_inline void settle(__u32 frames, __u32 refused, int error)
{
	state.queued -= frames < state.queued ? frames : state.queued;
	if (refused) {
		state.refused += refused;
		state.error = -error;
	}
}

SEC("tp_btf/xdp_devmap_xmit")
int BPF_PROG(traffic_xmit, const struct net_device *from, const struct net_device *to, int sent, int drops,
	     int error)
{
	if (to->ifindex == plan.ifindex && ours(from))
		settle(sent + drops, drops, error);
	return 0;
}

SEC("tp_btf/xdp_redirect_err")
int BPF_PROG(traffic_redir, const struct net_device *from, const void *prog, const void *target, int error)
{
	if (ours(from))
		settle(1, 1, error);
	return 0;
}

/* On the receiving end: native XDP makes veth take redirected frames (veth_xdp_xmit wants a NAPI context
 * there). */
SEC("xdp")
int traffic_accept(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* The same, for who wants to know what sending alone costs. */
SEC("xdp")
int traffic_discard(struct xdp_md *ctx)
{
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
