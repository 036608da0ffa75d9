using System.Runtime.CompilerServices;

namespace KFac.Kernels;

/// <summary>Copies a row-major tensor with its dimensions in another order.</summary>
public static class Permute
{
    /// <summary>The most dimensions.</summary>
    public const int MaxRank = 6;

    /// <summary>Dimension k of y is dimension <c>order[k]</c> of x; exact.</summary>
    /// <param name="x">The elements of a tensor of <paramref name="sizes"/>.</param>
    /// <param name="sizes">1 to 6 sizes of x.</param>
    /// <param name="order">Each of the dimensions once.</param>
    /// <param name="y">As many elements, apart from x.</param>
    /// <exception cref="ArgumentException">Sizes, order and lengths disagree.</exception>
    public static void Run(
        DeviceStream stream, VectorView<float> x, ReadOnlySpan<int> sizes, ReadOnlySpan<int> order, VectorView<float> y)
    {
        IPermuteKernel kernel = Check.Kernel(stream, static table => table.Permute, nameof(Permute));
        Check.View(stream, x, nameof(x));
        Check.View(stream, y, nameof(y));
        var dimensions = PermutedDimensions.Of(sizes, order);
        Check.Length(x, dimensions.Elements, nameof(x));
        Check.Length(y, dimensions.Elements, nameof(y));
        Check.NoOverlap(y, x, nameof(y), nameof(x));
        if (dimensions.Elements > 0)
        {
            kernel.Run(x, dimensions, y);
        }
    }
}

/// <summary>The dimensions of y from the first on: how many, and how far apart neighbours along each lie in x.</summary>
internal struct PermutedDimensions
{
    private Six _sizes;
    private Six _strides;

    public int Rank { get; private set; }

    public int Elements { get; private set; }

    /// <summary>Elements along a dimension of y.</summary>
    public readonly int Size(int dimension) => _sizes[dimension];

    /// <summary>Elements of x between neighbours along a dimension of y.</summary>
    public readonly int Stride(int dimension) => _strides[dimension];

    /// <exception cref="ArgumentException">There are too few or too many sizes, or the order is none.</exception>
    public static PermutedDimensions Of(ReadOnlySpan<int> sizes, ReadOnlySpan<int> order)
    {
        if (sizes.Length is 0 or > Permute.MaxRank || order.Length != sizes.Length)
        {
            throw new ArgumentException($"{sizes.Length} sizes and an order of {order.Length} were given; wanted 1 to {Permute.MaxRank} of each.");
        }

        var result = new PermutedDimensions { Rank = sizes.Length, Elements = 1 };
        Six strides = default;
        for (int d = sizes.Length - 1; d >= 0; d--)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(sizes[d], nameof(sizes));
            strides[d] = result.Elements;
            result.Elements = checked(result.Elements * sizes[d]);
        }

        int seen = 0;
        for (int k = 0; k < order.Length; k++)
        {
            int dimension = order[k];
            if (dimension < 0 || dimension >= sizes.Length || (seen & (1 << dimension)) != 0)
            {
                throw new ArgumentException($"The order has {dimension} in place {k}; wanted each of 0 to {sizes.Length - 1} once.", nameof(order));
            }

            seen |= 1 << dimension;
            result._sizes[k] = sizes[dimension];
            result._strides[k] = strides[dimension];
        }

        return result;
    }

    [InlineArray(Permute.MaxRank)]
    private struct Six
    {
        private int _first;
    }
}

/// <summary>A device's implementation of <see cref="Permute"/>.</summary>
internal interface IPermuteKernel
{
    void Run(VectorView<float> x, PermutedDimensions dimensions, VectorView<float> y);
}
