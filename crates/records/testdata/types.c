/* types.btf is the .BTF section of: clang -g -O0 -target bpf -fdebug-compilation-dir=. -c types.c */
enum plain_drop_reason { FIRST, SECOND = 7, LAST = 0xffff0000u };
enum negative { MINUS = -3, ZERO = 0 };
typedef int number __attribute__((btf_decl_tag("tagged")));
struct later;
struct outer {
	const char *name;
	union {
		struct {
			volatile long first;
			unsigned small : 3, smaller : 5;
			int count;
		};
		unsigned char pad[64];
	};
	struct {
		int hidden;
	} named;
	struct later *next;
} __attribute__((btf_decl_tag("tagged")));
struct outer global = {"outer", .count = 1};
double ratio = 0.5;
enum plain_drop_reason reason = SECOND;
enum negative sign = MINUS;
number function(struct outer *restrict outer, number by)
{
	return outer->count + by;
}
