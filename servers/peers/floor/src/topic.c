/* Topics: a hash table that only grows, and in each topic a ring that grows up to RING_MAX. */
#include "topic.h"

#include <string.h>

#include "memory.h"

enum { SLOTS = 1 << 16, RING_MIN = 4 };

static struct topic *slots[SLOTS];
static int topics;

/* FNV-1a. */
static uint32_t hash(struct span name)
{
    uint32_t hash = 2166136261;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (uint8_t)name.at[i]) * 16777619;
    return hash;
}

struct topic *topic_find(struct span name)
{
    uint32_t slot = hash(name) % SLOTS;
    for (; slots[slot]; slot = (slot + 1) % SLOTS) {
        if (slots[slot]->name_len == name.len && memcmp(slots[slot]->name, name.at, name.len) == 0)
            return slots[slot];
    }
    if (topics == TOPICS_MAX)
        return NULL;
    topics++;
    struct topic *topic = allocate(sizeof *topic);
    *topic = (struct topic){.name_len = name.len};
    memcpy(topic->name, name.at, name.len);
    slots[slot] = topic;
    return topic;
}

static void grow(struct topic *topic)
{
    size_t capacity = topic->capacity ? 2 * topic->capacity : RING_MIN;
    struct span *ring = allocate(capacity * sizeof *ring);
    memset(ring, 0, capacity * sizeof *ring);
    for (uint64_t number = topic_oldest(topic); number <= topic->head; number++)
        ring[number % capacity] = topic_at(topic, number);
    release(topic->ring);
    topic->ring = ring;
    topic->capacity = capacity;
}

void topic_append(struct topic *topic, struct span body)
{
    if (topic->head >= topic->capacity && topic->capacity < RING_MAX)
        grow(topic);
    topic->head++;
    struct span *place = &topic->ring[topic->head % topic->capacity];
    release((char *)place->at);
    char *copy = allocate(body.len);
    memcpy(copy, body.at, body.len);
    *place = (struct span){copy, body.len};
}

uint64_t topic_oldest(const struct topic *topic)
{
    return topic->head < topic->capacity ? 1 : topic->head - topic->capacity + 1;
}

struct span topic_at(const struct topic *topic, uint64_t number)
{
    return topic->ring[number % topic->capacity];
}
