using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public class PermuteTests
{
    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Elements_stand_where_the_order_says(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach ((int[] sizes, int[] order) in new (int[], int[])[]
        {
            ([7], [0]), ([3, 0, 2], [2, 0, 1]), ([1, 1], [1, 0]), ([33, 17], [1, 0]), ([5, 7, 64], [1, 0, 2]),
            ([2, 3, 4, 5], [3, 1, 0, 2]), ([3, 2, 4, 3, 4, 5], [0, 1, 3, 5, 2, 4]), ([3, 2, 3, 5, 4, 4], [0, 1, 4, 2, 5, 3]), ([301, 211], [1, 0]),
        })
        {
            int length = sizes.Aggregate(1, static (product, size) => product * size);
            float[] values = TestData.Uniform(length, 1);
            GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 1, length, 0, 1).Write(values);
            var y = new GuardedMatrix<float>(stream, arena, 1, length);
            Permute.Run(stream, x.View.AsVector(), sizes, order, y.View.AsVector());
            Assert.Equal(PermuteReference.Run(values, sizes, order), y.Read());
            x.AssertGuards();
            y.AssertGuards();
            arena.Reset();
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        VectorView<float> x = arena.Vector<float>(6);
        GuardedMatrix<float> y = new GuardedMatrix<float>(stream, arena, 1, 6).Write(TestData.Uniform(6, 1));
        float[] before = y.Read();
        foreach ((int[] sizes, int[] order) in new (int[], int[])[]
        {
            ([], []), ([2, 3], [0]), ([2, 3], [0, 0]), ([2, 3], [0, 2]), ([2, 3], [-1, 0]), ([2, 2], [1, 0]), ([2, -3], [1, 0]), ([1, 1, 1, 1, 1, 2, 3], [0, 1, 2, 3, 4, 5, 6]),
        })
        {
            Assert.ThrowsAny<ArgumentException>(() => Permute.Run(stream, x, sizes, order, y.View.AsVector()));
        }

        Assert.ThrowsAny<ArgumentException>(() => Permute.Run(stream, y.View.AsVector(), [2, 3], [1, 0], y.View.AsVector()));
        Assert.Equal(before, y.Read());
    }
}
