using System.Runtime.InteropServices;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One item's owner each, as maps: owners to items, and items to owners by sum or mean.</summary>
/// <remarks>Items are edges and owners their ends, or items are nodes or edges and owners their graphs.</remarks>
internal sealed class IncidenceMaps(GraphAggregation aggregation)
{
    private readonly SparseMatrix _gather = new();
    private readonly SparseMatrix _sum = new();
    private readonly SparseMatrix? _mean = aggregation == GraphAggregation.Mean ? new() : null;
    private readonly SparseMatrix? _meanTransposed = aggregation == GraphAggregation.Mean ? new() : null;
    private readonly List<int> _counts = [];
    private readonly List<int> _items = [];
    private readonly List<float> _weights = [];

    /// <summary>Each item gets its owner's row.</summary>
    public RowMap ToItems => new(_gather, _sum);

    /// <summary>Each owner gets the sum, or the mean, of its items' rows.</summary>
    public RowMap ToOwners => _mean is not null && _meanTransposed is not null ? new(_mean, _meanTransposed) : ToItems.Reversed;

    /// <summary>Takes every item's owner, 0 to <paramref name="ownerCount"/> − 1.</summary>
    public void Fill(DeviceStream stream, Arena arena, int ownerCount, ReadOnlySpan<int> owners)
    {
        ReadOnlySpan<int> items = CountUp(owners.Length);
        _gather.Refill(stream, arena, owners.Length, ownerCount, items, owners);
        _sum.Refill(stream, arena, ownerCount, owners.Length, owners, items);
        if (_mean is not null && _meanTransposed is not null)
        {
            ReadOnlySpan<float> weights = Weigh(ownerCount, owners);
            _mean.Refill(stream, arena, ownerCount, owners.Length, owners, items, weights);
            _meanTransposed.Refill(stream, arena, owners.Length, ownerCount, items, owners, weights);
        }
    }

    private ReadOnlySpan<int> CountUp(int length)
    {
        for (int i = _items.Count; i < length; i++)
        {
            _items.Add(i);
        }

        return CollectionsMarshal.AsSpan(_items)[..length];
    }

    /// <summary>One over the number of items of each item's owner.</summary>
    private ReadOnlySpan<float> Weigh(int ownerCount, ReadOnlySpan<int> owners)
    {
        CollectionsMarshal.SetCount(_counts, ownerCount);
        CollectionsMarshal.SetCount(_weights, owners.Length);
        Span<int> counts = CollectionsMarshal.AsSpan(_counts);
        Span<float> weights = CollectionsMarshal.AsSpan(_weights);
        counts.Clear();
        foreach (int owner in owners)
        {
            counts[owner]++;
        }

        for (int i = 0; i < owners.Length; i++)
        {
            weights[i] = 1f / counts[owners[i]];
        }

        return weights;
    }
}
