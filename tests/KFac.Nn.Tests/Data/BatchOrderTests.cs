using KFac.Engine;
using KFac.Kernels;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class BatchOrderTests
{
    [Fact]
    public void An_epoch_visits_every_example_once()
    {
        var order = new BatchOrder(12, 3, seed: 5);
        Assert.Equal(4, order.BatchesPerEpoch);
        Assert.Equal(Enumerable.Range(0, 12), Take(order, 4).Order());
        Assert.Equal(Enumerable.Range(0, 12), Take(order, 4).Order());
    }

    [Fact]
    public void Epochs_and_seeds_differ_and_repeat()
    {
        int[] first = Take(new BatchOrder(100, 10, 5), 20);
        Assert.Equal(first, Take(new BatchOrder(100, 10, 5), 20));
        Assert.NotEqual(first, Take(new BatchOrder(100, 10, 6), 20));
        Assert.NotEqual(first[..100], first[100..]);
    }

    [Fact]
    public void Leaves_out_the_examples_that_do_not_fill_a_batch()
    {
        var order = new BatchOrder(10, 4, seed: 1);
        Assert.Equal(2, order.BatchesPerEpoch);
        int[] first = Take(order, 2);
        Assert.Equal(8, first.Distinct().Count());
        Assert.Equal(8, Take(order, 2).Distinct().Count());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(7)]
    [InlineData(9)]
    public void Goes_on_from_a_restored_state(int batchesBefore)
    {
        int[] straight = Take(new BatchOrder(12, 3, 5), 12)[(3 * batchesBefore)..];
        var first = new BatchOrder(12, 3, 5);
        Take(first, batchesBefore);
        var state = new IntegerState();
        first.VisitState(state);
        var second = new BatchOrder(12, 3, 5);
        second.VisitState(state.Restoring());
        Assert.Equal(straight, Take(second, 12 - batchesBefore));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(11)]
    public void Refuses_a_batch_that_cannot_be_filled(int batch) =>
        Assert.Contains("wanted 1 to 10", Assert.Throws<ArgumentException>(() => new BatchOrder(10, batch, 1)).Message, StringComparison.Ordinal);

    private static int[] Take(BatchOrder order, int batches)
    {
        var taken = new List<int>();
        for (int i = 0; i < batches; i++)
        {
            taken.AddRange(order.Next());
        }

        return [.. taken];
    }

    private sealed class IntegerState : IStateVisitor
    {
        private readonly Dictionary<string, long> _values = [];
        private bool _restoring;

        public IntegerState Restoring()
        {
            _restoring = true;
            return this;
        }

        public void Vector(string name, VectorView<float> view) => Assert.Fail("No vector was expected.");

        public void Real(string name, ref double value) => Assert.Fail("No real number was expected.");

        public void Integer(string name, ref long value)
        {
            if (_restoring)
            {
                value = _values[name];
            }
            else
            {
                _values.Add(name, value);
            }
        }
    }
}
